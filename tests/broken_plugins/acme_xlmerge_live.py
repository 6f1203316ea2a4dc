"""Nothing is wrong here either: a composition rule, a trainer and a task."""

from xlmerge.plugin import Child, composition_rule, hookimpl, task, trainer

xlmerge_api_version = 0


@composition_rule(kind="inside", summary="The adapter.", source="made up")
def good_rule(live: object, *, adapter: Child) -> object:
    return adapter


@trainer(summary="Trains nothing.", source="made up", data={"train": "rows"})
def good_trainer(work: object) -> None: ...


@task(summary="Tells nothing.", source="made up", columns={"text": "a text"}, metric="silence")
def good_task() -> object:
    return object()


@hookimpl
def xlmerge_composition_rules() -> object:
    return [good_rule]


@hookimpl
def xlmerge_trainers() -> object:
    return (good_trainer,)


@hookimpl
def xlmerge_tasks() -> object:
    yield good_task
