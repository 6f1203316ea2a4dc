"""What YAML is refused, with which words and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe.construct import MAX_COPIES
from xlmerge.recipe.nodes import MAX_DEPTH
from xlmerge.recipe.text_file import MAX_BYTES
from xlmerge.recipe.yaml_loader import parse_yaml, read_recipe_text

if TYPE_CHECKING:
    from pathlib import Path


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, "r.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a:\n\tb: 1\n", "r.yaml:2:1", "a tab"),
        ("a:\tb\n", "r.yaml:1:3", "a tab"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2:1", "a second document"),
        ("a: 1\n---\n", "r.yaml:2:1", "a second document"),
        ("", "r.yaml", "empty"),
        ("# only a comment\n", "r.yaml", "empty"),
        ("\ufeff", "r.yaml", "empty"),
        ("a: !!python/object:os.system x\n", "r.yaml:1:4", "!!python/object:os.system"),
        ("a: !!str 1\n", "r.yaml:1:4", "`!!str`"),
        ("a: ! x\n", "r.yaml:1:4", "found `!`"),
        ("a: !mine {b: 1}\n", "r.yaml:1:4", "`!mine`"),
        ("a: !x!y z\n", "r.yaml:1:4", "tag"),
        ("!!map {a: 1}\n", "r.yaml:1:1", "`!!map`"),
        ("x: &b {c: 1}\na:\n  <<: *b\n", "r.yaml:3:3", "merge keys"),
        ("a: &x [*x]\n", "r.yaml:1:4", "alias to itself"),
        ("a: &x {b: {c: *x}}\n", "r.yaml:1:4", "alias to itself"),
        ("a: *nothing\n", "r.yaml:1:4", "the alias `*nothing` has no anchor"),
        ("a: &x 1\nb: &x 2\n", "r.yaml:2:4", "the anchor `&x` is defined twice"),
        ("a: b: c\n", "r.yaml:1:5", "a `:` does not fit here"),
        ("a: 1\n b: 2\n", "r.yaml:2:3", "does not fit"),
        ("  a: 1\nb: 2\n", "r.yaml:2:1", "the indentation"),
        ("a\nb: 2\n", "r.yaml:2:2", "a `:`"),
        ("[a]\nb\n", "r.yaml:2:1", "does not go on"),
        ("a: 1\nb\n", "r.yaml:3:1", "lacks its `:`"),
        ("a: 1\n- b\n", "r.yaml:2:1", "the indentation"),
        ("a: - b\n", "r.yaml:1:4", "a list item"),
        ("a: [1, 2\n", "r.yaml:2:1", "a list opened with `[`"),
        ("a: {b: 1\n", "r.yaml:2:1", "a mapping opened with `{`"),
        ("a: 'b\n", "r.yaml:2:1", "not closed"),
        ('a: "b\n', "r.yaml:2:1", "not closed"),
        ('a: "C:\\models"\n', "r.yaml:1:8", "a backslash"),
        ("a: @b\n", "r.yaml:1:4", "cannot start with `@`"),
        ("a: `b`\n", "r.yaml:1:4", "cannot start with ```"),
        ("a: *\n", "r.yaml:1:5", "no name"),
        ("%YAML 3.0\n---\na: 1\n", "r.yaml:1:1", "directive"),
        ("a: |x\n b\n", "r.yaml:1:5", "text block"),
        ("a: b\x07c\n", "r.yaml:1:5", "U+0007"),
        ("a: 1\r\nb: \x00\n", "r.yaml:2:4", "U+0000"),
        ("a: \ud800\n", "r.yaml:1:4", "U+D800"),
        ('a: "\\ud800"\n', "r.yaml:1:4", "surrogate"),
        ('a: "\\U00110000"\n', "r.yaml:1:7", "out of range"),
        ('a: "\\UFFFFFFFF"\n', "r.yaml:1:7", "out of range"),
        ("? [a]\n: b\n", "r.yaml:1:3", "a key must be a text, found a list"),
        ("a: {{x}}\n", "r.yaml:1:5", "a key must be a text, found a mapping"),
        (": b\n", "r.yaml:1:1", "the indentation"),
        ("{: b}\n", "r.yaml:1:2", "a value is expected"),
        ("? \n: b\n", "r.yaml:1:2", "the key before this `:` is missing"),
    ],
)
def test_refuses(text: str, where: str, words: str) -> None:
    (problem,) = problems(text)
    assert problem.where == where
    assert words in problem.message


def test_duplicate_keys_name_both_lines() -> None:
    (problem,) = problems("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert problem.where == "r.yaml:5:3"
    assert "`c` is written twice in one mapping, in lines 3 and 5" in problem.message


def test_a_key_is_duplicate_whatever_its_quotes() -> None:
    (problem,) = problems("1: a\n'1': b\n")
    assert problem.where == "r.yaml:2:1"


def test_several_problems_come_together_in_order() -> None:
    text = "x: &x {k: 1, k: 2}\na: !t 1\na: .inf\nb: *x\nc: .nan\n<<: 1\n"
    places = [problem.where for problem in problems(text)]
    assert places == ["r.yaml:1:14", "r.yaml:2:4", "r.yaml:3:1", "r.yaml:5:4", "r.yaml:6:1"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 20_000])
def test_refuses_deep_nesting(opening: str, depth: int) -> None:
    (problem,) = problems(opening * depth)
    assert f"more than {MAX_DEPTH} levels" in problem.message


def test_refuses_depth_made_of_aliases() -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000))]
    (problem,) = problems("\n".join(lines))
    assert "aliases nest" in problem.message


def test_refuses_billion_laughs() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (problem,) = problems("\n".join(lines))
    assert f"repeat more than {MAX_COPIES} values" in problem.message


def test_large_documents_without_aliases_are_fine() -> None:
    text = "[" + "1, " * (MAX_COPIES + 10) + "1]"
    assert isinstance(parse_yaml(text, "r.yaml").data, list)


def test_aliases_are_copies() -> None:
    data = parse_yaml("a: &x {k: [1]}\nb: *x\n", "r.yaml").data
    assert isinstance(data, dict)
    assert data["a"] == data["b"]
    assert data["a"] is not data["b"]


def test_positions() -> None:
    document = parse_yaml("\ufeffa:\n  - b\n  - {c: 1}\nd: &x\n  e: 2\nf: *x\n", "r.yaml")
    assert document.position(()) == "r.yaml:1:1"
    assert document.position(("a",)) == "r.yaml:2:3"
    assert document.key_position(("a",)) == "r.yaml:1:1"
    assert document.position(("a", 1, "c")) == "r.yaml:3:9"
    assert document.key_position(("a", 1, "c")) == "r.yaml:3:6"
    assert document.key_position(("a", 1)) == "r.yaml:3:5"
    assert document.position(("f", "e")) == "r.yaml:5:6"
    assert document.key_position(("f",)) == "r.yaml:6:1"
    # What is not there has the position of what is nearest around it.
    assert document.position(("a", 1, "z", "y")) == "r.yaml:3:5"
    assert document.key_position(("a", 1, "z")) == "r.yaml:3:5"
    assert document.key_position(("d", "z")) == "r.yaml:4:1"
    assert document.position(("nowhere",)) == "r.yaml:1:1"


def test_windows_line_ends_count_once() -> None:
    assert parse_yaml("a: 1\r\nb: 2\r\n", "r.yaml").position(("b",)) == "r.yaml:2:4"


def test_yaml_directive_is_fine() -> None:
    assert parse_yaml("%YAML 1.2\n---\na: 1\n...\n", "r.yaml").data == {"a": 1}


def test_reads_a_file_with_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\n")
    assert read_recipe_text(path) == "a: é\n"


def test_refuses_what_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes("a: é\nb: é".encode() + b"\xe9\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe_text(path)
    (problem,) = caught.value.problems
    assert problem.where == f"{path}:2:5"
    assert "0xe9" in problem.message


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.yaml", "no such file"), (".", "a folder"), ("a\0b", "cannot be read")],
)
def test_refuses_what_cannot_be_opened(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe_text(f"{tmp_path}/{name}")
    assert words in caught.value.problems[0].message


def test_refuses_files_that_are_no_recipe_by_length(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(RecipeError, match="longer than 1 MiB"):
        read_recipe_text(path)
