"""The commands that measure: evaluate and study."""

from inkwash import cli
from inkwash.commands.bars import bar, is_main, keeping, learning, say
from inkwash.commands.making import train
from inkwash.errors import UsageError
from inkwash.settings import Sampler, Sweep
from inkwash.study.presets import PRESETS, Preset


def study(command: cli.Study, again: str) -> None:
    """Trains what a preset needs, measures all cells, and writes the report. `again` goes on with it."""
    from inkwash.report.explain import story
    from inkwash.report.write import write_report
    from inkwash.study.machine import machine_facts
    from inkwash.study.session import begin
    from inkwash.study.subject import Exact, Subject, Trained

    preset = _preset(command)
    folders = [cli.RUNS / name for name in preset.runs] if preset else list(command.runs)
    if preset:
        _train_missing(preset, command, again)
    subjects: list[Subject] = [
        Trained(folder, command.checkpoint, command.device, command.data_dir) for folder in folders
    ]  # fmt: skip
    if preset and not preset.runs:
        subjects = [Exact()]
    sweeps = preset.sweeps if preset else (command.sweep,)
    out = command.out or cli.RUNS / f"study-{command.preset or '-'.join(folder.resolve().name for folder in folders)}"
    with learning() as tick:
        job = begin(subjects, sweeps, command.scoring, out, preset.n if preset else 200, tick)
    count = len(job.cells)
    say(f"{count} cell{'s' * (count > 1)}, three draws of {job.measure.n} images in each, into {out}")
    with keeping(again), bar(job.left, "evaluations", not is_main(), scale=True) as shown:
        done = job.finish(command.jobs, shown.update)
    if not is_main():
        return
    told = story(done)
    with bar(1 + 2 * len(done.axes), "figures") as shown:
        paths = write_report(done, told, out, machine_facts(), lambda drawn, of: shown.update(drawn - shown.n))
    for path in paths[:3]:
        print(path)
    for text in told.summary:
        say(text.en.replace("**", ""))


def _preset(command: cli.Study) -> Preset | None:
    if command.preset is None:
        return None
    if command.runs:
        raise UsageError(f"--preset {command.preset} has its own runs; leave out {command.runs[0]}, or the preset.")
    if command.sweep != Sweep():
        raise UsageError(f"--preset {command.preset} has its own axes; leave out those flags, or the preset.")
    return PRESETS[command.preset]()


def _train_missing(preset: Preset, command: cli.Study, again: str) -> None:
    """Trains the preset's runs that are not there, or not at their end yet."""
    from inkwash.runs.record import check_same, ended, stored

    todo = []
    for name, run in preset.runs.items():
        folder = cli.RUNS / name
        before = stored(folder)
        if before is not None:
            check_same(folder, before, run, f"move it away, or study it without --preset: inkwash study {folder}")
        if before is None or not ended(folder):
            todo.append((run, folder, before is not None))
    for run, folder, resume in todo:
        train(cli.Train(run, folder, resume, command.data_dir), again)


def evaluate(command: cli.Evaluate, again: str) -> None:
    """Scores a run and prints the table. `again` goes on with it."""
    from inkwash.study.evaluate import cost, evaluation, lines
    from inkwash.study.session import begin
    from inkwash.study.subject import Trained

    if command.likelihood < 0 or command.likelihood == 1:
        raise UsageError(
            f"--likelihood is a number of images, 2 or more for a standard error, or 0 (got {command.likelihood})."
        )
    subject = Trained(command.run, command.checkpoint, command.device, command.data_dir)
    out = command.out or command.run / "evaluation"
    with learning() as tick:
        job = begin([subject], [_alone(command.sampler)], command.scoring, out, 2000, tick)
    with keeping(again), bar(job.left, "evaluations", not is_main(), scale=True) as shown:
        done = job.finish(command.jobs, shown.update)
    if not is_main():
        return
    with keeping(again), bar(cost(command.likelihood), "evaluations", scale=True) as shown:
        found = evaluation(done, out, command.likelihood, shown.update)
    for line in lines(found):
        print(line)
    for path in found.paths:
        print(path)


def _alone(sampler: Sampler) -> Sweep:
    """The sweep of one cell."""
    eta = () if sampler.eta is None else (sampler.eta,)
    spacing = () if sampler.spacing is None else (sampler.spacing,)
    scale = () if sampler.scale is None else (sampler.scale,)
    return Sweep((sampler.steps,), (sampler.solver,), eta, spacing, (sampler.variance,), (sampler.limit,), scale=scale)
