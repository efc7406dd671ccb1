"""How long a step of the nets of `speed` takes in PyTorch: one process with one thread or two, and
two processes of one thread by DistributedDataParallel on gloo. The optimizer, the rows of a step and
how these are gathered are those of endo, and nothing of a step is read back.

In: `python ddp.py [net]..`, of `page`, `mnist-mlp`, `wide-mlp`, `convnet`. Out: a line for each, in
microseconds, of the fastest epoch.
"""

import os
import sys
import time

import torch
import torch.multiprocessing as multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Page(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(
            *[part for i in range(5) for part in (nn.Linear(8 if i == 0 else 30, 30), nn.SELU())]
        )
        self.reconstruct, self.out = nn.Linear(30, 8), nn.Linear(30, 1)

    def forward(self, x):
        z = self.hidden(x)
        return self.out(z), 0.05 * (self.reconstruct(z) - x).square().mean()


def mlp(inputs, hidden, classes):
    sizes = [inputs, *hidden]
    layers = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def convnet():
    def convolution(a, b):
        return nn.Conv2d(a, b, 3, padding=1), nn.ReLU()

    return nn.Sequential(
        *convolution(3, 32), *convolution(32, 32), nn.MaxPool2d(2), *convolution(32, 64),
        *convolution(64, 64), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 256), nn.ReLU(),
        nn.Linear(256, 10),
    )


NETS = {
    "page": (Page, [8], 32, 11_610, None),
    "mnist-mlp": (lambda: mlp(784, [512, 512], 10), [784], 128, 6400, 10),
    "wide-mlp": (lambda: mlp(1024, [4096, 4096], 1000), [1024], 256, 512, 1000),
    "convnet": (convnet, [3, 32, 32], 64, 320, 10),
}


def step(name, rank=0, ranks=1):
    make, shape, batch, rows, classes = NETS[name]
    torch.manual_seed(0)
    model = make()
    if ranks > 1:
        # Gradients are summed where they lie, which is the faster way.
        model = DistributedDataParallel(model, gradient_as_bucket_view=True)
    optimizer = torch.optim.NAdam(model.parameters(), 0.001, eps=1e-7)
    x = torch.randn(rows, *shape)
    y = torch.randn(rows, 1) if classes is None else torch.randint(0, classes, (rows,))
    fastest = float("inf")
    for _ in range(6 if rows < 1000 else 9):
        order, start = torch.randperm(rows), time.perf_counter()
        for first in range(0, rows, batch):
            own = order[first:first + batch][rank::ranks]
            outputs = model(x[own])
            if classes is None:
                loss = (outputs[0] - y[own]).square().mean() + outputs[1]
            else:
                loss = nn.functional.cross_entropy(outputs, y[own])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest * 1e6 / -(-rows // batch)


def one_of_two(rank, names):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29531")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    for name in names:
        micros = step(name, rank, 2)
        if rank == 0:
            print(f"{name}: PyTorch, 2 processes: {micros:.1f} us", flush=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    names = sys.argv[1:] or list(NETS)
    for name in names:
        if name not in NETS:
            sys.exit(f"there is no net `{name}`: name some of {', '.join(NETS)}, or none for all")
    for threads, words in ((1, "1 thread"), (2, "2 threads")):
        torch.set_num_threads(threads)
        for name in names:
            print(f"{name}: PyTorch, 1 process, {words}: {step(name):.1f} us", flush=True)
    multiprocessing.spawn(one_of_two, args=(names,), nprocs=2)
