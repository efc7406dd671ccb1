"""Three training steps of each of five models in double precision, with PyTorch's derivatives and PyTorch's optimizers.

    pip install torch
    python make_references.py > references.json

Every weight, input and draw follows from a formula, `numbers` below, which ../references.rs has as well. The weights of a model are
numbered in the order in which endo lists them. In the file are, for each step, the terms of the loss before the update and all weights
after it. Adam's epsilon is 0, since Keras and PyTorch put it in different places.
"""

import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
STEPS = 3


def numbers(shape, offset):
    count = math.prod(shape)
    return torch.tensor([0.4 * math.sin(0.9 * i + offset) for i in range(count)]).reshape(shape)


def weights(shapes):
    return [numbers(shape, index).requires_grad_() for index, shape in enumerate(shapes)]


def dense(x, kernel, bias):
    return x @ kernel + bias


def descend(optimizer, loss, parameters):
    optimizer.zero_grad()
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        parameter.grad = gradient
    optimizer.step()


def record(terms, parameters):
    return {
        "terms": {name: term.item() for name, term in terms.items()},
        "weights": [parameter.detach().flatten().tolist() for parameter in parameters],
    }


def wgan_gp():
    """Two steps of the critic, then one of the generator, with two Adams."""
    parameters = weights([(2, 3), (3,), (3, 2), (2,), (2, 4), (4,), (4, 1)])
    of_generator, of_critic = parameters[:4], parameters[4:]

    def generator(z):
        return dense(torch.tanh(dense(z, *of_generator[:2])), *of_generator[2:])

    def critic(x):
        return F.softplus(dense(x, *of_critic[:2])) @ of_critic[2]

    critic_adam = torch.optim.Adam(of_critic, lr=0.05, betas=(0.5, 0.9), eps=0.0)
    generator_adam = torch.optim.Adam(of_generator, lr=0.02, betas=(0.5, 0.9), eps=0.0)
    steps = []
    for step in range(STEPS):
        z, real = 3 * numbers((4, 2), 10 + step), 3 * numbers((4, 2), 20 + step)
        noise, share = 3 * numbers((4, 2, 2), 30 + step), 0.5 + numbers((4, 2, 1), 40 + step)
        for turn in range(2):
            fake = generator(noise[:, turn]).detach()
            between = (share[:, turn] * real + (1 - share[:, turn]) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            distance = critic(real).mean() - critic(fake).mean()
            penalty = 10 * (slope.norm(dim=-1) - 1).square().mean()
            descend(critic_adam, penalty - distance, of_critic)
        generator_loss = -critic(generator(z)).mean()
        descend(generator_adam, generator_loss, of_generator)
        terms = {"loss": distance, "penalty": penalty, "generator_loss": generator_loss}
        steps.append(record(terms, parameters))
    return steps


def vae():
    """Encoder, sampling with draws that are given, decoder; the divergence beside the likelihood of pixels."""
    parameters = weights([(3, 4), (4,), (4, 2), (2,), (4, 2), (2,), (2, 4), (4,), (4, 3), (3,)])
    hidden, mean, log_variance, back, out = (parameters[at : at + 2] for at in range(0, 10, 2))
    adam = torch.optim.Adam(parameters, lr=0.05, eps=0.0)
    steps = []
    for step in range(STEPS):
        x, epsilon = 0.5 + numbers((5, 3), 10 + step), 3 * numbers((5, 2), 20 + step)
        h = torch.tanh(dense(x, *hidden))
        mu, log_var = dense(h, *mean), dense(h, *log_variance)
        z = mu + torch.exp(0.5 * log_var) * epsilon
        made = torch.sigmoid(dense(torch.tanh(dense(z, *back)), *out))
        main = F.binary_cross_entropy(made, x, reduction="none").sum(-1).mean()
        normal = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
        code = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
        divergence = torch.distributions.kl_divergence(code, normal).sum(-1).mean()
        descend(adam, main + divergence, parameters)
        steps.append(record({"loss": main + divergence, "main": main, "divergence": divergence}, parameters))
    return steps


def distillation():
    """A student with a penalty of its own; the teacher has batch normalization, dropout, a penalty and an activity penalty."""
    parameters = weights([(3, 3), (3,), (3, 4), (4,), (4,), (4,), (4,), (4,), (4, 3), (3,)])
    kernel, bias, *teacher = parameters
    with torch.no_grad():
        teacher[5] += 1  # a variance
    sgd = torch.optim.SGD([kernel, bias], lr=0.5, momentum=0.5)
    steps, temperature = [], 2.0
    for step in range(STEPS):
        x = 3 * numbers((4, 3), 10 + step)
        labels = (torch.arange(4) + step) % 3
        logits = dense(x, kernel, bias)
        h = torch.tanh(dense(x, *teacher[:2]))
        gamma, beta, mean, variance = teacher[2:6]
        h = F.batch_norm(h, mean.detach(), variance.detach(), gamma, beta, training=False, eps=1e-3)
        taught = dense(h, *teacher[6:])
        main = 0.25 * F.cross_entropy(logits, labels)
        soft = 0.75 * temperature**2 * F.cross_entropy(logits / temperature, F.softmax(taught / temperature, -1))
        penalty = 0.1 * kernel.square().sum()
        loss = main + soft + penalty
        descend(sgd, loss, [kernel, bias])
        terms = {"loss": loss, "main": main, "soft": soft, "penalty(dense/kernel)": penalty}
        steps.append(record(terms, parameters))
    return steps


def siamese():
    """The triplet loss of one net at three inputs."""
    parameters = weights([(3, 4), (4,), (4, 2), (2,)])
    sgd = torch.optim.SGD(parameters, lr=0.5, momentum=0.5)

    def place(x):
        return F.normalize(dense(torch.tanh(dense(x, *parameters[:2])), *parameters[2:]), dim=-1)

    steps = []
    for step in range(STEPS):
        anchor, positive, negative = (place(8 * numbers((5, 3), 10 * branch + step)) for branch in (1, 2, 3))
        near, far = (anchor - positive).square().sum(-1), (anchor - negative).square().sum(-1)
        loss = F.relu(near - far + 0.2).mean()
        descend(sgd, loss, parameters)
        steps.append(record({"loss": loss, "near": near.mean()}, parameters))
    return steps


def maml():
    """Two inner steps on each of two tasks, and Adam on what is left of the loss, through the inner steps."""
    parameters = weights([(1, 3), (3,), (3, 1), (1,)])
    adam = torch.optim.Adam(parameters, lr=0.05, eps=0.0)

    def error(values, x, y):
        return (dense(torch.tanh(dense(x, *values[:2])), *values[2:]) - y).square().mean()

    steps = []
    for step in range(STEPS):
        x, y = 5 * numbers((2, 6, 1), 10 + step), 3 * numbers((2, 6, 1), 20 + step)
        before, after = [], []
        for task in range(2):
            values = parameters
            for _ in range(2):
                gradients = torch.autograd.grad(error(values, x[task, :3], y[task, :3]), values, create_graph=True)
                values = [value - 0.1 * gradient for value, gradient in zip(values, gradients)]
            before.append(error(parameters, x[task, 3:], y[task, 3:]))
            after.append(error(values, x[task, 3:], y[task, 3:]))
        loss = sum(after) / 2
        descend(adam, loss, parameters)
        steps.append(record({"loss": loss, "before": sum(before) / 2}, parameters))
    return steps


cases = {case.__name__: case() for case in (wgan_gp, vae, distillation, siamese, maml)}
print(json.dumps({"made_by": f"torch {torch.__version__.split('+')[0]}", **cases}, indent=1))
