"""The command on people's tables, beside scikit-learn: `python benchmarks/tables.py`, or with names of tables.

For each table and three seeds the whole command `tinygrad-edu fit` runs as its users call it: start, comparison with a
linear model, and pictures included; with byte code, as pip makes it when it installs a package. Then scikit-learn's MLP
is fitted, with as many hidden neurons, batches of the same size, as many epochs, and all rows that the command did not
hold out, encoded in the same way. Reported are the seconds of the CPU, means of the seeds, and what both reach on the
rows held out: R², or the share of right answers. At most
3 s + 3 x the seconds of scikit-learn are wanted, with a score that is not worse.
"""

import compileall
import csv
import random
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from time import process_time
from typing import Any

import processes

import tinygrad_edu

SEEDS = (0, 1, 2)
FIXED, TIMES = 3.0, 3.0  # the seconds that are wanted at most: so many, and so many times those of scikit-learn

Columns = dict[str, list[Any]]


# ---- the tables ------------------------------------------------------------------------------------------------------
def bundled(name: str) -> Columns:
    """A table that comes with scikit-learn; its classes get names."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    target = data.target.tolist() if name == "diabetes" else [f"class {i}" for i in data.target]
    return {**{str(n): column for n, column in zip(data.feature_names, data.data.T.tolist())}, "target": target}


def curved(rows: int = 5_000, inputs: int = 10) -> Columns:
    """A regression whose target bends, with noise."""
    rng = random.Random(1)
    columns: Columns = {f"x{i}": [rng.gauss(0, 1) for _ in range(rows)] for i in range(inputs)}
    a, b, c, d = (columns[f"x{i}"] for i in range(4))
    columns["target"] = [w * x + abs(y) - 0.5 * z + rng.gauss(0, 0.5) for w, x, y, z in zip(a, b, c, d)]
    return columns


def customers(rows: int = 20_000) -> Columns:
    """A classification with texts, and with gaps."""
    rng = random.Random(2)
    regions, plans = ["north", "south", "east", "west"], ["free", "basic", "premium"]
    columns: Columns = {name: [] for name in ("age", "income", "visits", "region", "plan", "target")}
    for _ in range(rows):
        age, income, visits = rng.uniform(18, 80), rng.lognormvariate(10, 0.5), rng.randrange(40)
        region, plan = rng.choice(regions), rng.choice(plans)
        z = (age - 45) / 15 + visits / 10 - 2 + (plan == "premium") * 1.5 - (region == "north") + rng.gauss(0, 0.7)
        row = [age, income, visits, region, plan, "stays" if z * z > 1 else "leaves"]
        for name, value in zip(columns, row):
            columns[name].append(None if name != "target" and rng.random() < 0.05 else value)
    return columns


def wide(rows: int = 50_000, inputs: int = 20) -> Columns:
    """A regression of many rows."""
    rng = random.Random(3)
    columns: Columns = {f"x{i}": [rng.gauss(0, 1) for _ in range(rows)] for i in range(inputs)}
    slopes = [rng.gauss(0, 1) for _ in range(inputs)]
    columns["target"] = [
        sum(s * x for s, x in zip(slopes, row)) + 2 * abs(row[0]) + row[1] * row[2] + rng.gauss(0, 1)
        for row in zip(*columns.values())
    ]
    return columns


TABLES: dict[str, Callable[[], Columns]] = {
    **{name: lambda name=name: bundled(name) for name in ("iris", "wine", "breast_cancer", "diabetes", "digits")},  # type: ignore[misc]
    "curved": curved,
    "customers": customers,
    "wide": wide,
}


# ---- both sides ------------------------------------------------------------------------------------------------------
def measure(name: str) -> dict[str, Any]:
    """The seconds and the scores of both sides for each seed, and the epochs that the command took."""
    found: dict[str, list[float]] = {key: [] for key in ("ours", "theirs", "score", "their score", "epochs")}
    columns = TABLES[name]()
    compileall.compile_dir(Path(tinygrad_edu.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values()))
        for seed in SEEDS:
            run = one_run(path, seed, Path(folder, str(seed)))
            for key, number in run.items():
                found[key].append(number)
    return {"rows": len(columns["target"]), **found}


def one_run(path: Path, seed: int, out: Path) -> dict[str, float]:
    """Both sides with one seed."""
    command = [sys.executable, "-m", "tinygrad_edu.cli", "fit", str(path), "--target", "target"]
    before = children_seconds()
    subprocess.run([*command, "--seed", str(seed), "--out", str(out)], check=True, stdout=subprocess.PIPE)
    seconds = children_seconds() - before

    import numpy as np
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    from tinygrad_edu import data, load
    from tinygrad_edu.cli.experiment import Experiment, Settings

    predictor = load(out / "model.json")
    epochs = len((out / "history.csv").read_text().splitlines()) - 1
    experiment = Experiment(data.read_csv(path), "target", settings=Settings(seed=seed))
    assert experiment.predictor.features.to_dict() == predictor.features.to_dict(), "another split than the command's"
    parts = [part for part in (experiment.train, experiment.validation) if part]
    X = np.concatenate([predictor.features.transform(part, ignore_unseen=True) for part in parts])
    y = np.concatenate([predictor.target.transform(part) for part in parts])
    kind = MLPClassifier if predictor.task == "classification" else MLPRegressor
    theirs = kind(
        hidden_layer_sizes=(16,),
        batch_size=experiment.batch_size,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )
    start = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so many epochs do not converge
        theirs.fit(X, y)
    their_seconds = process_time() - start
    measured = experiment.held_out["target"]
    predicted = predictor.target.inverse(
        theirs.predict(predictor.features.transform(experiment.held_out, True)).tolist()
    )
    score = data.accuracy if predictor.task == "classification" else data.r2
    ours = predictor.predict(experiment.held_out, ignore_unseen=True)["prediction"]
    return {
        "ours": seconds,
        "theirs": their_seconds,
        "score": score(measured, ours),
        "their score": score(measured, predicted),
        "epochs": epochs,
    }


def children_seconds() -> float:
    """The seconds of the CPU of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---- the report ------------------------------------------------------------------------------------------------------
def main() -> None:
    names = {name: [name] for name in TABLES}
    results = processes.in_turns({name: lambda name=name: measure(name) for name in TABLES}, 1, __doc__, rows=names)  # type: ignore[misc]
    print(f"Python {sys.version.split()[0]}; seconds of the CPU, means of {len(SEEDS)} seeds\n")
    print(
        f"{'table':14}{'rows':>7}{'epochs':>8}{'command':>10}{'wanted':>10}{'scikit-learn':>14}{'score':>9}{'theirs':>9}"
    )
    for name, (run,) in results.items():
        ours, theirs, epochs, score, their_score = (
            mean(run[key]) for key in ("ours", "theirs", "epochs", "score", "their score")
        )
        most = FIXED + TIMES * theirs
        failed = [what for what, bad in (("slow", ours > most), ("worse", score < their_score)) if bad]
        print(
            f"{name:14}{run['rows']:>7,}{epochs:>8.0f}{ours:>8.2f} s{most:>8.2f} s{theirs:>12.2f} s"
            f"{score:>9.4f}{their_score:>9.4f}  {' and '.join(failed)}"
        )


if __name__ == "__main__":
    main()
