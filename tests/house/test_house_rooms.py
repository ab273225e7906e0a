"""Data flows one way, no name means two things, and functions stay small at their front door."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import langsteer
from house import House, parameters

ROOMS = (
    "errors",
    "progress",
    "text",
    "data",
    "statistics",
    "edits",
    "estimators",
    "space",
    "engines",
    "engines.transformers",
    "fitting",
    "interchange",
    "evaluation",
    "training",
    "tuning",
    "report.figures",
    "report",
    "demo",
    "lm_eval",
    "serving",
    "vllm",
    "cli",
)
"""A module imports only from rooms above its own."""
DOORS = {
    ("space", "fitting"): "Space.fit",
    ("space", "training"): "Space.train",
    ("space", "tuning"): "Space.tune",
    ("space", "evaluation"): "Space.evaluate",
    ("evaluation", "report"): "Evaluation.write",
    ("edits", "interchange"): "Edit.export",
}
"""The methods that hand over to a room below, and import it only when they are called."""
FREE = {"langsteer", "langsteer.__main__", "langsteer.legacy"}
"""Modules that are doors to all rooms."""
MOST_PARAMETERS = 8

house = House(Path(__file__).parents[2])


def _whole(room: str) -> str:
    """The room that a folder is part of: a condition is a file in a folder of its own."""
    parts = {
        "evaluation.conditions": "evaluation",
        "evaluation.metrics": "evaluation",
        "edits.maps": "edits",
    }
    return parts.get(room, room)


def test_every_room_is_known() -> None:
    entrances = {name.removeprefix("langsteer.") for name in FREE}
    assert {_whole(room) for room in house.rooms} - entrances == set(ROOMS)


def test_imports_between_rooms_flow_one_way() -> None:
    wrong = set()
    for one in house.imports:
        room, target = _whole(house.room(one.module)), _whole(house.room(one.target))
        if one.module in FREE or one.typing or target == "":
            continue
        door = (room.partition(".")[0], target.partition(".")[0]) in DOORS and one.lazy
        same = room.partition(".")[0] == target.partition(".")[0]
        if not same and not door and ROOMS.index(target) > ROOMS.index(room):
            wrong.add((one.module, target))
    assert not wrong


def test_rooms_are_named_by_one_word() -> None:
    assert not [room for room in house.rooms if "and" in re.split(r"[._]", room)]


def test_no_public_name_is_a_module() -> None:
    modules = {part for module in house.modules for part in module.split(".")}
    assert not modules & set(langsteer.__all__)
    for module, tree in house.modules.items():
        if module in house.packages:
            names = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
            children = {one.rpartition(".")[2] for one in house.modules if one != module}
            assert not names & children, module


def test_no_function_takes_more_than_eight_parameters() -> None:
    wide = {
        one.name
        for module, one in house.functions()
        if parameters(one) > MOST_PARAMETERS and not module.startswith("langsteer.cli")
    }
    assert not wide


def test_no_class_name_is_defined_twice() -> None:
    places = defaultdict(list)
    for module, one in house.classes():
        if not one.name.startswith("_"):
            places[one.name].append(module)
    twice = {name for name, modules in places.items() if len(modules) > 1}
    assert not twice


def test_what_a_room_exports_means_one_thing() -> None:
    rooms = defaultdict(set)
    for module in house.packages - {"langsteer"}:
        for one in ast.walk(house.modules[module]):
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__all__":
                for name in ast.literal_eval(one.value):
                    rooms[name].add(house.room(module))
    assert rooms
    twice = {name for name, found in rooms.items() if len(found) > 1}
    assert not twice


def test_the_package_asserts_nothing_of_its_callers() -> None:
    found = [
        f"{module}:{node.lineno}"
        for module, tree in house.modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not found


OTHER_BLOCKS = re.compile(r"(code|fenced|thinking).blocks?|block_output|display: ?block|--blocks")


def test_a_layer_is_called_a_layer() -> None:
    """No text and no name says "block" where a decoder layer is meant.

    In the engine, a block is that of a `with` statement.
    """
    found = set()
    for module, tree in house.modules.items():
        for node in ast.walk(tree):
            said = node.value if isinstance(node, ast.Constant) else getattr(node, "name", "")
            if isinstance(said, str) and re.search(r"\bblocks?\b", OTHER_BLOCKS.sub("", said)):
                found.add(house.room(module))
    assert found <= {"legacy", "engines.transformers"}
