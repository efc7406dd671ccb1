"""Other libraries on the nets of endo-bench that `layers.py` does not have.

    python nets_peer.py --workload resnet --peer torch-eager [--threads 2] [--epochs 4]

Prints one JSON line: the peer, the workload and the threads; `us_per_step`, of the best epoch; the
mean losses of the first epoch and the last one; how many numbers the weights have, moving
statistics included; and the megabytes that the process had resident at most.

All nets compute in float32 and are trained by Adam at a rate of 0.001, epsilon 1e-7, on shuffled
batches of made-up data that lie in memory. Each starts from Glorot's uniform distribution, or what
the library has for it.

resnet       ResNet-20. A 3x3 convolution of 16 filters, then three blocks each of 16, 32 and 64
             filters, whose first convolution halves the image where the filters double, as does
             the 1x1 convolution that the shortcut then is. No convolution has a bias; each is
             followed by batch normalization (momentum 0.99, epsilon 0.001), and that by ReLU, in a
             block's second one after the shortcut is added. The mean over the image, ten classes.
gru          A GRU of 128 units that resets after its product, and a number from its last output.
transformer  Four blocks: self-attention with 4 heads of 32, then 512 GELU units (the exact form)
             and 128 linear ones; each half is added to its inputs and then normalized, with epsilon
             0.001. The mean over steps, ten classes.

Classes are learnt by sparse cross-entropy from logits, numbers by mean squared error. From the same
weights and the same batch, JAX and Keras have endo's losses, step after step. PyTorch differs in
three things that take as long: where a convolution halves the image, it adds a row of zeros at each
end, where the others add one at the last, and so takes windows that lie a pixel apart from theirs;
it corrects the mean square for its start at 0 before it adds Adam's epsilon; and its moving
variances are unbiased.
"""
import argparse
import json
import os
import time
from collections import namedtuple

Net = namedtuple("Net", "inputs classes batch rows parameters")

# A test of endo-bench compares these with its own nets.
NETS = {
    "resnet": Net(inputs=(32, 32, 3), classes=10, batch=64, rows=1_280, parameters=274_042),
    "gru": Net(inputs=(64, 64), classes=None, batch=32, rows=1_280, parameters=74_625),
    "transformer": Net(inputs=(64, 128), classes=10, batch=32, rows=640, parameters=794_378),
}
PEERS = ["jax-scan", "jax-step", "torch-eager", "torch-compile", "keras-tf"]

# ResNet-20: the filters that a block sees and has, and its stride.
RESIDUAL_BLOCKS = [
    (16, 16, 1), (16, 16, 1), (16, 16, 1),
    (16, 32, 2), (32, 32, 1), (32, 32, 1),
    (32, 64, 2), (64, 64, 1), (64, 64, 1),
]  # fmt: skip
UNITS = 128
BLOCKS, HEADS, WIDTH, INNER = 4, 4, 128, 512
EPSILON, KEPT = 1e-3, 0.99


def made_up_data(net):
    """Normal inputs, with classes at random, or the targets of endo's own data."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((net.rows, *net.inputs), dtype=np.float32)
    if net.classes:
        return x, rng.integers(0, net.classes, net.rows)
    first = x.reshape(net.rows, -1)
    return x, first[:, :1] + first[:, 1:2] * first[:, 2:3]


# --- JAX -------------------------------------------------------------------------------------


def jax_weights(workload):
    """Trained weights, and the moving statistics of batch normalizations in their order."""
    import numpy as np

    rng = np.random.default_rng(1)

    def kernel(*shape):
        receptive = int(np.prod(shape[:-2]))
        bound = (6 / (receptive * (shape[-2] + shape[-1]))) ** 0.5
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    def zeros(*shape):
        return np.zeros(shape, np.float32)

    def dense(inputs, units):
        return {"kernel": kernel(inputs, units), "bias": zeros(units)}

    def norm(features):
        return {"gamma": zeros(features) + 1, "beta": zeros(features)}

    moving = []

    def convolution(size, before, filters):
        moving.append((zeros(filters), zeros(filters) + 1))
        return {"kernel": kernel(size, size, before, filters), "norm": norm(filters)}

    def residual_block(before, filters, stride):
        block = {"first": convolution(3, before, filters)}
        block["second"] = convolution(3, filters, filters)
        if stride > 1:
            block["shortcut"] = convolution(1, before, filters)
        return block

    def attention_block():
        names = "query", "key", "value", "output"
        return {
            **{name: dense(WIDTH, WIDTH) for name in names},
            "attended": norm(WIDTH),
            "up": dense(WIDTH, INNER),
            "down": dense(INNER, WIDTH),
            "transformed": norm(WIDTH),
        }

    if workload == "resnet":
        weights = {"first": convolution(3, 3, 16)}
        weights["blocks"] = [residual_block(*sizes) for sizes in RESIDUAL_BLOCKS]
        weights["out"] = dense(64, 10)
    elif workload == "gru":
        inputs = NETS[workload].inputs[-1]
        weights = {"inputs": dense(inputs, 3 * UNITS), "state": dense(UNITS, 3 * UNITS)}
        weights["out"] = dense(UNITS, 1)
    else:
        weights = {"blocks": [attention_block() for _ in range(BLOCKS)], "out": dense(WIDTH, 10)}
    return weights, moving


def jax_net(workload):
    """A function from weights, moving statistics and inputs to outputs and new statistics."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def dense(w, x):
        return x @ w["kernel"] + w["bias"]

    def scaled(w, x, mean, variance):
        return (x - mean) * (w["gamma"] * lax.rsqrt(variance + EPSILON)) + w["beta"]

    def resnet(w, moving, x):
        moving, moved = iter(moving), []

        def convolve(w, x, stride=1):
            dimensions = ("NHWC", "HWIO", "NHWC")
            strides = (stride, stride)
            x = lax.conv_general_dilated(x, w["kernel"], strides, "SAME", None, None, dimensions)
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
            seen = lax.stop_gradient((mean, variance))
            toward = lambda old, new: KEPT * old + (1 - KEPT) * new
            moved.append(jax.tree.map(toward, next(moving), seen))
            return scaled(w["norm"], x, mean, variance)

        x = jax.nn.relu(convolve(w["first"], x))
        for block, (_, _, stride) in zip(w["blocks"], RESIDUAL_BLOCKS):
            z = jax.nn.relu(convolve(block["first"], x, stride))
            z = convolve(block["second"], z)
            if stride > 1:
                x = convolve(block["shortcut"], x, stride)
            x = jax.nn.relu(z + x)
        return dense(w["out"], x.mean((1, 2))), moved

    def gru(w, moving, x):
        def cell(state, gates):
            update, reset, new = jnp.split(gates, 3, axis=-1)
            product = jnp.split(dense(w["state"], state), 3, axis=-1)
            update = jax.nn.sigmoid(update + product[0])
            reset = jax.nn.sigmoid(reset + product[1])
            new = jnp.tanh(new + reset * product[2])
            return update * state + (1 - update) * new, None

        gates = dense(w["inputs"], x.swapaxes(0, 1))
        state, _ = lax.scan(cell, jnp.zeros((len(x), UNITS)), gates)
        return dense(w["out"], state), moving

    def transformer(w, moving, x):
        def norm(w, x):
            return scaled(w, x, x.mean(-1, keepdims=True), x.var(-1, keepdims=True))

        for block in w["blocks"]:
            names = "query", "key", "value"
            split = (*x.shape[:2], HEADS, WIDTH // HEADS)
            query, key, value = (dense(block[name], x).reshape(split) for name in names)
            attended = jax.nn.dot_product_attention(query, key, value).reshape(x.shape)
            x = norm(block["attended"], x + dense(block["output"], attended))
            up = jax.nn.gelu(dense(block["up"], x), approximate=False)
            x = norm(block["transformed"], x + dense(block["down"], up))
        return dense(w["out"], x.mean(1)), moving

    return {"resnet": resnet, "gru": gru, "transformer": transformer}[workload]


def jax_peer(workload, mode, threads):
    """Steps that are compiled alone, or an epoch of them in one scan; both gather their rows."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    net = NETS[workload]
    x, y = (jnp.asarray(values) for values in made_up_data(net))
    weights, moving = jax.tree.map(jnp.asarray, jax_weights(workload))
    parameters = sum(leaf.size for leaf in jax.tree.leaves((weights, moving)))
    call = jax_net(workload)

    def loss(w, moving, x, y):
        outputs, moving = call(w, moving, x)
        if net.classes is None:
            return jnp.mean((outputs - y) ** 2), moving
        likely = jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], 1)
        return -jnp.mean(likely), moving

    def step(state, x, y, rows):
        w, m, v, t, moving = state
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, moving), g = gradient(w, moving, x[rows], y[rows])
        t = t + 1
        m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, g)
        v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, g)
        rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), w, m, v)
        return (w, m, v, t, moving), value

    if mode == "scan":
        def steps(state, x, y, order):
            return jax.lax.scan(lambda state, rows: step(state, x, y, rows), state, order)

        compiled = jax.jit(steps, donate_argnums=0)
    else:
        compiled = jax.jit(step, donate_argnums=0)
    slots = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    state = (weights, *slots, jnp.zeros(()), moving)

    def epoch(order):
        nonlocal state
        if mode == "scan":
            state, values = compiled(state, x, y, order)
        else:
            values = []
            for rows in order:
                state, value = compiled(state, x, y, rows)
                values.append(value)
        jax.block_until_ready((state, values))
        return lambda: float(np.mean(values))

    return epoch, parameters


# --- PyTorch ---------------------------------------------------------------------------------


def torch_net(workload):
    import torch
    from torch import nn
    from torch.nn import functional as F

    def convolution(size, before, filters, stride=1):
        return nn.Sequential(
            nn.Conv2d(before, filters, size, stride, padding=size // 2, bias=False),
            nn.BatchNorm2d(filters, eps=EPSILON, momentum=1 - KEPT),
        )

    class ResidualBlock(nn.Module):
        def __init__(self, before, filters, stride):
            super().__init__()
            self.first = convolution(3, before, filters, stride)
            self.second = convolution(3, filters, filters)
            narrows = stride > 1
            self.shortcut = convolution(1, before, filters, stride) if narrows else nn.Identity()

        def forward(self, x):
            z = self.second(F.relu(self.first(x), inplace=True))
            return F.relu(z + self.shortcut(x), inplace=True)

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = convolution(3, 3, 16)
            self.blocks = nn.Sequential(*(ResidualBlock(*sizes) for sizes in RESIDUAL_BLOCKS))
            self.out = nn.Linear(64, 10)
            # Channels last, as the data are: the order that oneDNN is fastest in.
            self.to(memory_format=torch.channels_last)

        def forward(self, x):
            x = F.relu(self.first(x.permute(0, 3, 1, 2)), inplace=True)
            return self.out(self.blocks(x).mean((2, 3)))

    class Gru(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(NETS["gru"].inputs[-1], UNITS, batch_first=True)
            self.out = nn.Linear(UNITS, 1)

        def forward(self, x):
            return self.out(self.gru(x)[1][0])

    class AttentionBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Linear(WIDTH, 3 * WIDTH)
            self.output = nn.Linear(WIDTH, WIDTH)
            self.attended = nn.LayerNorm(WIDTH, eps=EPSILON)
            self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
            self.transformed = nn.LayerNorm(WIDTH, eps=EPSILON)

        def forward(self, x):
            batch, steps, _ = x.shape
            parts = self.project(x).view(batch, steps, 3, HEADS, WIDTH // HEADS)
            z = F.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4))
            x = self.attended(x + self.output(z.transpose(1, 2).reshape(x.shape)))
            return self.transformed(x + self.down(F.gelu(self.up(x))))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(*(AttentionBlock() for _ in range(BLOCKS)))
            self.out = nn.Linear(WIDTH, 10)

        def forward(self, x):
            return self.out(self.blocks(x).mean(1))

    return {"resnet": ResNet, "gru": Gru, "transformer": Transformer}[workload]()


def torch_peer(workload, mode, threads):
    """Steps as they are written, or with loss and gradient compiled; Adam is the fused one."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = NETS[workload]
    x, y = (torch.from_numpy(values) for values in made_up_data(net))
    model = torch_net(workload)
    statistics = (b for b in model.buffers() if b.is_floating_point())
    parameters = sum(w.numel() for w in [*model.parameters(), *statistics])
    criterion = torch.nn.CrossEntropyLoss() if net.classes else torch.nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7, fused=True)

    def loss(x, y):
        return criterion(model(x), y)

    if mode == "compile":
        loss = torch.compile(loss)

    def epoch(order):
        values = []
        for rows in torch.from_numpy(order):
            optimizer.zero_grad(set_to_none=True)
            value = loss(x[rows], y[rows])
            value.backward()
            optimizer.step()
            values.append(value.detach())
        return lambda: torch.stack(values).mean().item()

    return epoch, parameters


# --- Keras -----------------------------------------------------------------------------------


def keras_net(workload):
    import keras
    from keras import layers

    def convolution(filters, size, stride, x):
        convolved = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=KEPT, epsilon=EPSILON)(convolved)

    inputs = keras.Input(NETS[workload].inputs)
    if workload == "resnet":
        x = layers.ReLU()(convolution(16, 3, 1, inputs))
        for _, filters, stride in RESIDUAL_BLOCKS:
            z = layers.ReLU()(convolution(filters, 3, stride, x))
            z = convolution(filters, 3, 1, z)
            shortcut = convolution(filters, 1, stride, x) if stride > 1 else x
            x = layers.ReLU()(layers.Add()([z, shortcut]))
        outputs = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    elif workload == "gru":
        outputs = layers.Dense(1)(layers.GRU(UNITS, reset_after=True)(inputs))
    else:
        x = inputs
        for _ in range(BLOCKS):
            attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x)
            x = layers.LayerNormalization(epsilon=EPSILON)(layers.Add()([x, attended]))
            up = layers.Dense(INNER, activation="gelu")(x)
            added = layers.Add()([x, layers.Dense(WIDTH)(up)])
            x = layers.LayerNormalization(epsilon=EPSILON)(added)
        outputs = layers.Dense(10)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, outputs)


def keras_peer(workload, mode, threads):
    """`fit`, whose steps TensorFlow has compiled into a graph; it shuffles by itself."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    keras.utils.set_random_seed(0)
    net = NETS[workload]
    x, y = made_up_data(net)
    model = keras_net(workload)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", cross_entropy if net.classes else "mse")

    def epoch(order):
        history = model.fit(x, y, batch_size=order.shape[1], verbose=0).history
        return lambda: history["loss"][0]

    return epoch, model.count_params()


# --- All of them -----------------------------------------------------------------------------


def measure(epoch, net, epochs):
    """Seconds a step of the best epoch, and the mean losses of the first and the last.

    One epoch goes before those that count, in which a library compiles."""
    import numpy as np

    rng = np.random.default_rng(2)
    best, losses = float("inf"), []
    for number in range(epochs + 1):
        order = rng.permutation(net.rows).reshape(-1, net.batch)
        start = time.perf_counter()
        loss = epoch(order)
        seconds = (time.perf_counter() - start) / len(order)
        losses.append(loss())
        if number > 0:
            best = min(best, seconds)
    return best, losses[0], losses[-1]


def resident_mb():
    """The most that this process had resident, where the system tells it in kilobytes."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", choices=NETS, required=True)
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    # Before any library counts the processors.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(args.threads))
    os.environ.update(OMP_NUM_THREADS=str(args.threads), TF_CPP_MIN_LOG_LEVEL="3")

    net = NETS[args.workload]
    library, mode = args.peer.split("-")
    peers = {"jax": jax_peer, "torch": torch_peer, "keras": keras_peer}
    epoch, parameters = peers[library](args.workload, mode, args.threads)
    if parameters != net.parameters:
        raise SystemExit(f"the weights are {parameters} numbers, and endo's {net.parameters}")
    seconds, first, last = measure(epoch, net, args.epochs)
    line = {
        "peer": args.peer,
        "workload": args.workload,
        "threads": args.threads,
        "us_per_step": round(seconds * 1e6, 2),
        "first_loss": round(first, 4),
        "loss": round(last, 4),
        "parameters": parameters,
        "resident_mb": resident_mb(),
    }
    print(json.dumps({name: value for name, value in line.items() if value is not None}))


if __name__ == "__main__":
    main()
