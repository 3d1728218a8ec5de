"""What a killed run has finished is found again, whole or not at all."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.finished_runs import FinishedRunFolder

KEY = {"scenario": "storage", "limit_kw": float("nan")}


def test_arrays_come_back_as_they_were(tmp_path):
    kept = FinishedRunFolder(tmp_path / "runs", {"gridcommons": "1"})
    assert kept.load(KEY) is None and not (tmp_path / "runs").exists()
    arrays = {"p_kw": np.array([1.5, np.nan]), "broken": np.array([True, False]), "none": np.zeros((0, 2))}
    kept.save(KEY, arrays)
    found = FinishedRunFolder(tmp_path / "runs", {"gridcommons": "1"}).load(KEY)
    assert set(found) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_another_key_or_another_version_is_another_piece(tmp_path):
    kept = FinishedRunFolder(tmp_path, {"gridcommons": "1"})
    kept.save(KEY, {"x": np.ones(1)})
    assert kept.load({**KEY, "scenario": "base_2030"}) is None
    assert FinishedRunFolder(tmp_path, {"gridcommons": "2"}).load(KEY) is None
    assert kept.taken == 0


def test_a_damaged_file_is_no_answer_and_is_written_over(tmp_path):
    kept = FinishedRunFolder(tmp_path, {})
    kept.save(KEY, {"x": np.ones(100)})
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:50])
    assert kept.load(KEY) is None
    kept.save(KEY, {"x": np.ones(3)})
    assert kept.load(KEY)["x"].tolist() == [1.0, 1.0, 1.0]


def test_clearing_leaves_nothing(tmp_path):
    kept = FinishedRunFolder(tmp_path / "runs", {})
    kept.save(KEY, {"x": np.ones(1)})
    kept.clear()
    kept.clear()
    assert not (tmp_path / "runs").exists()
