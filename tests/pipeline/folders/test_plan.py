from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncrgb import CollisionError, Failed, Job, OptionsError, count_sources
from asyncrgb.pipeline.folders.plan import Planned, plan
from asyncrgb.pipeline.storage import listing


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def planned(source: str | Path, destination: str | Path, layout: str = "flat") -> list[Planned]:
    """Give the whole plan, without the breaths that it takes on a busy machine."""
    whole = plan(str(source), str(destination), layout)  # type: ignore[arg-type] # also wrong ones
    return [each for each in whole if each is not None]


def pairs(source: Path, destination: Path, layout: str = "flat") -> list[tuple[str, str]]:
    return [
        (os.path.relpath(job.source, source), os.path.relpath(job.destination, destination))
        for job in planned(source, destination, layout)
        if isinstance(job, Job)
    ]


def test_flat_puts_all_outputs_into_one_folder_in_order_of_folders_and_names(
    tmp_path: Path,
) -> None:
    touch(tmp_path, "B/B_2.tif", "B/B_10.TIFF", "A/A_1.tif", "A/deep/z.Tif", "top.tif", "A/no.txt")
    assert pairs(tmp_path, tmp_path / "out") == [
        ("top.tif", "top.png"),
        ("A/A_1.tif", "A_1.png"),
        ("A/deep/z.Tif", "z.png"),
        ("B/B_10.TIFF", "B_10.png"),
        ("B/B_2.tif", "B_2.png"),
    ]


def test_tree_mirrors_the_folders(tmp_path: Path) -> None:
    touch(tmp_path, "A/x.tif", "B/x.tif", "y.tif")
    assert pairs(tmp_path, tmp_path / "out", "tree") == [
        ("y.tif", "y.png"),
        ("A/x.tif", "A/x.png"),
        ("B/x.tif", "B/x.png"),
    ]


def test_names_keep_their_dots(tmp_path: Path) -> None:
    touch(tmp_path, "S2A.2024.v1.tif")
    assert pairs(tmp_path, tmp_path / "out") == [("S2A.2024.v1.tif", "S2A.2024.v1.png")]


def test_the_destination_is_never_a_source(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "results/old.tif", "results/deep/older.tif")
    assert pairs(tmp_path, tmp_path / "results") == [("a.tif", "a.png")]


def test_the_destination_is_recognized_by_what_it_is_not_by_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "real/old.tif")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert pairs(tmp_path, tmp_path / "link") == [("a.tif", "a.png")]


def test_source_and_destination_may_be_the_same_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "deep/b.tif")
    assert pairs(tmp_path, tmp_path, "tree") == [("a.tif", "a.png"), ("deep/b.tif", "deep/b.png")]


def test_loops_of_links_end(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.tif")
    (tmp_path / "A" / "again").symlink_to(tmp_path)
    assert pairs(tmp_path, tmp_path / "out") == [("A/a.tif", "a.png")]


@pytest.mark.parametrize(
    ("layout", "names"),
    [("flat", ["A/x.tif", "B/x.tif"]), ("tree", ["A/x.TIF", "A/x.tif"])],
)
def test_the_first_of_two_sources_keeps_their_output(
    layout: str, names: list[str], tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    first, second = planned(tmp_path, tmp_path / "out", layout)
    assert first is not None
    assert first.source == str(tmp_path / names[0])
    assert isinstance(first, Job)
    assert isinstance(second, Failed)
    assert isinstance(second.error, CollisionError)
    for each in (*names, "--layout tree"):
        assert each in str(second.error)


def test_a_link_to_itself_costs_nobody_else(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif")
    (tmp_path / "loop.tif").symlink_to("loop.tif")
    (tmp_path / "again").symlink_to("again")
    assert [name for name, _ in pairs(tmp_path, tmp_path / "out")] == ["a.tif", "loop.tif"]


def test_one_file_goes_into_a_folder_or_to_a_name(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif")
    source = str(tmp_path / "a.tif")
    folder = str(tmp_path / "out")
    assert planned(source, folder) == [Job(source, folder + "/a.png")]
    named = str(tmp_path / "other.png")
    assert planned(source, named) == [Job(source, named)]


def test_a_folder_that_is_called_png_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "out.png/b")
    source = str(tmp_path / "a.tif")
    (job,) = planned(source, tmp_path / "out.png")
    assert job == Job(source, str(tmp_path / "out.png" / "a.png"))


def test_a_folder_of_results_is_not_called_as_one_picture_is(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.tif")
    with pytest.raises(OptionsError, match=r"out\.PNG is the name of one picture.*name a folder"):
        planned(tmp_path / "in", tmp_path / "out.PNG")
    (tmp_path / "out.PNG").mkdir()
    assert pairs(tmp_path / "in", tmp_path / "out.PNG") == [("a.tif", "a.png")]


def test_companions_that_macos_makes_are_no_sources(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "._a.tif", ".b.tif")
    assert [name for name, _ in pairs(tmp_path, tmp_path / "out")] == [".b.tif", "a.tif"]


def test_no_source_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        planned(tmp_path / "nowhere", tmp_path / "out")


def test_a_folder_without_tiffs_is_an_error_that_names_it(tmp_path: Path) -> None:
    touch(tmp_path, "readme.txt")
    with pytest.raises(OptionsError, match=rf"{tmp_path}.*no .tif or .tiff.*check the path"):
        planned(tmp_path, tmp_path / "out")


def test_a_destination_that_is_a_file_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "taken")
    with pytest.raises(NotADirectoryError, match="name a folder"):
        planned(tmp_path, tmp_path / "taken")


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"round.*flat or tree"):
        planned(tmp_path, tmp_path, "round")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    touch(tmp_path, "A/a.tif", "B/b.tif")
    (tmp_path / "A").chmod(0)
    first, second = planned(tmp_path, tmp_path / "out")
    (tmp_path / "A").chmod(0o700)
    assert isinstance(first, Failed)
    assert isinstance(first.error, PermissionError)
    assert second is not None
    assert second.source == str(tmp_path / "B" / "b.tif")


def test_count_is_the_number_of_outcomes(tmp_path: Path) -> None:
    touch(tmp_path, "A/x.tif", "B/x.tif", "out/y.tif", "z.txt")
    assert count_sources(tmp_path, tmp_path / "out") == 2
    assert count_sources(tmp_path / "A" / "x.tif", tmp_path / "out") == 1


def test_a_large_folder_comes_in_order_and_takes_breath(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n * 7919 % 4001}.tif" for n in range(1, 4000)]
    touch(tmp_path, *names)
    monkeypatch.setattr(listing, "_BREATH_SECONDS", 0)
    whole = list(plan(str(tmp_path), str(tmp_path / "out"), "flat"))
    found = [os.path.basename(each.source) for each in whole if each is not None]
    assert found == sorted(names)
    assert whole.count(None) == len(names)
    assert count_sources(tmp_path, tmp_path / "out") == len(names)
