"""What the commands do and say: results on standard output, progress on standard error."""

from os import environ

from inkwash import cli, recipes
from inkwash.commands import making, measuring, showing

Command = (
    cli.Train | cli.Sample | cli.Evaluate | cli.Study | cli.Race | cli.Gallery | cli.Forward | cli.Info | cli.Recipes
    | cli.Replay | cli.Import | cli.Demo
)  # fmt: skip


def run(command: Command, resume_line: str) -> None:
    """Does a command. `resume_line` is what to type to go on with an interrupted training."""
    if "LOCAL_RANK" in environ:  # torchrun's
        from inkwash.distributed import take_gpu

        take_gpu()
    match command:
        case cli.Train():
            making.train(command, resume_line)
        case cli.Sample():
            making.sample(command)
        case cli.Evaluate():
            measuring.evaluate(command, resume_line)
        case cli.Study():
            measuring.study(command, resume_line)
        case cli.Race():
            showing.race(command, resume_line)
        case cli.Gallery():
            showing.gallery(command)
        case cli.Forward():
            making.forward(command)
        case cli.Info():
            making.info(command)
        case cli.Replay():
            making.replay(command)
        case cli.Import():
            making.import_(command)
        case cli.Recipes():
            width = max(len(name) for name in recipes.names())
            for name, recipe in recipes.names().items():
                print(f"{name:{width}}  {recipes.summary(recipe)}")
        case cli.Demo():
            making.demo(command)
