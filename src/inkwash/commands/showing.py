"""The commands that show what runs and recipes are worth: gallery and race."""

import sys
from threading import Event

from inkwash import cli, recipes
from inkwash.commands.bars import bar, finishing_steps, learning, walk
from inkwash.errors import InkwashError


def gallery(command: cli.Gallery) -> None:
    """Draws with a bar and says where the five files are."""
    from inkwash.runs.gallery import request, write_gallery
    from inkwash.runs.model import open_model

    model = open_model(command.run, command.checkpoint, command.device)
    sampling = request(command.sampler, command.seed)
    with walk(sampling) as tick:
        paths = write_gallery(model, sampling, command.out or command.run / "gallery", command.data_dir, tick)
    for path in paths:
        print(path)


def race(command: cli.Race, again: str) -> None:
    """Trains and scores the recipes in turn, with a bar for each, and writes the results. `again` goes on with it."""
    from inkwash.race.race import Terms, begin
    from inkwash.race.racer import DrawingProgress, Point
    from inkwash.race.table import plus_minus, table, write_results
    from inkwash.race.target import Target
    from inkwash.train import Step

    until = None if command.until is None else Target.read(command.until)
    terms = Terms(until, command.minutes, command.every)
    runs = [recipes.find_or_folder(name) for name in command.recipes]
    out = command.out or cli.RUNS / f"race-{'-'.join(run.recipe for run in runs)}"
    with learning() as tick:
        job = begin(runs, terms, command.sampler, command.scoring, out, command.data_dir, command.device, tick)
    stop = Event()
    with finishing_steps(stop):
        for racer in job.racers:
            print(f"{racer.name}: {racer.parameters:,} parameters, into {racer.folder}", file=sys.stderr)
            with bar(racer.run.training.steps, "steps") as shown:
                shown.initial = shown.n = (racer.trained() or {"step": 0})["step"]
                for event in job.go(racer, stop.is_set):
                    match event:
                        case Step():
                            shown.total = event.steps
                            shown.set_postfix_str(f"{event.seconds:,.0f} s, loss {event.loss:.4f}", refresh=False)
                            shown.update(event.step - shown.n)
                        case DrawingProgress():
                            shown.delay = 0  # it is seen from here on, however short the training was
                            shown.set_postfix_str(f"drawn to be scored: {event.images} of {event.of}")
                        case Point():
                            score = plus_minus(*event.scores[job.score])
                            words = f"{racer.name}: {job.score} {score} after {event.seconds:,.0f} s of training"
                            shown.write(words, file=sys.stderr)
            if stop.is_set():
                raise InkwashError(f"stopped; what was trained and scored is kept. Go on with: {again}")
    for line in table(job):
        print(line)
    for path in write_results(job):
        print(path)
