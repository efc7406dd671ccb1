"""JAX on the work that endo-bench measures beside a step of 32 rows.

    python jax_peer.py --workload regressor --batch 1024 [--threads 1] [--epochs 4]
    python jax_peer.py --workload predict-table          or predict-row

Prints one JSON line. The regressor is the book's: five layers of 30 SELU units, an output, a reconstruction of the inputs at
0.05, Nadam. A step is timed in a scan over a whole epoch; a prediction as a call of a jitted function on an array that lies
in JAX's own memory, without copying the answer out: in both the least that JAX can take.
"""
import argparse, json, os, time

parser = argparse.ArgumentParser()
parser.add_argument("--workload", choices=["regressor", "predict-table", "predict-row"], required=True)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, range(args.threads))  # before JAX counts the processors

import jax, jax.numpy as jnp, numpy as np

rng = np.random.default_rng(0)
tree = jax.tree.map
SHAPES = [(8, 30)] + [(30, 30)] * 4 + [(30, 1), (30, 8)]
weights = [(jnp.asarray(rng.standard_normal(s, dtype=np.float32) * s[0] ** -0.5), jnp.zeros(s[1])) for s in SHAPES]


def hidden(w, x):
    for k, b in w[:5]:
        x = jax.nn.selu(x @ k + b)
    return x


def predict(w, x):
    return hidden(w, x) @ w[5][0] + w[5][1]


def loss(w, x, y):
    z = hidden(w, x)
    return jnp.mean((z @ w[5][0] + w[5][1] - y) ** 2) + 0.05 * jnp.mean((z @ w[6][0] + w[6][1] - x) ** 2)


def step(w, slots, x, y):
    m, v, t = slots
    value, g = jax.value_and_grad(loss)(w, x, y)
    t = t + 1
    m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    look = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    w = tree(lambda w, m, v: w - 0.001 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-7), w, look, v)
    return w, (m, v, t), value


def best(runs, run):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return min(times)


def regressor():
    rows = 11_610 if args.batch == 32 else max(11_610, 16 * args.batch)
    steps = rows // args.batch
    x = jnp.asarray(rng.standard_normal((rows, 8), dtype=np.float32))
    y = x[:, :1] + x[:, 1:2] * x[:, 2:3]

    @jax.jit
    def epoch(w, slots, order):
        def body(carry, rows):
            w, slots, value = step(*carry, x[rows], y[rows])
            return (w, slots), value
        return jax.lax.scan(body, (w, slots), order)

    state = (weights, (tree(jnp.zeros_like, weights), tree(jnp.zeros_like, weights), jnp.zeros(())))

    def run():
        nonlocal state
        state, values = epoch(*state, order)
        return state

    times = []
    for _ in range(args.epochs + 1):  # the first compiles
        order = jnp.asarray(rng.permutation(rows)[: steps * args.batch].reshape(steps, args.batch))
        times.append(best(1, run))
    return {"batch": args.batch, "us_per_step": round(min(times) * 1e6 / steps, 2)}


def prediction(table):
    jitted = jax.jit(predict)
    if table:
        x = jnp.asarray(rng.standard_normal((20_640, 8), dtype=np.float32))
        jitted(weights, x).block_until_ready()
        return {"us_per_table": round(best(10 * args.epochs, lambda: jitted(weights, x)) * 1e6, 1)}
    rows = [jnp.asarray(rng.standard_normal((1, 8), dtype=np.float32)) for _ in range(256)]

    def calls():
        for row in rows:
            jitted(weights, row).block_until_ready()

    calls()
    return {"us_per_row": round(best(10 * args.epochs, calls) * 1e6 / len(rows), 3)}


result = regressor() if args.workload == "regressor" else prediction(args.workload == "predict-table")
print(json.dumps({"peer": "jax", "workload": args.workload, "threads": args.threads, **result}))
