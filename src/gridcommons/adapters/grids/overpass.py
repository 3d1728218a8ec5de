"""Asks an Overpass server, whose address the user gives, for the streets and buildings of a place."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from gridcommons.model.errors import Problem, StudyError

TIMEOUT_S = 90


@dataclass(frozen=True)
class Box:
    """A rectangle on the map.

    Parameters
    ----------
    south_degree, west_degree, north_degree, east_degree : float
        Its sides in degrees of latitude and longitude.
    """

    south_degree: float
    west_degree: float
    north_degree: float
    east_degree: float

    def __post_init__(self) -> None:
        south, west, north, east = (
            self.south_degree,
            self.west_degree,
            self.north_degree,
            self.east_degree,
        )
        if not (-90.0 <= south < north <= 90.0 and -180.0 <= west < east <= 180.0):
            found = f"south {south:g}, west {west:g}, north {north:g}, east {east:g}"
            raise StudyError(
                [Problem("overpass", found, "south below north and west below east, in degrees")]
            )


def street_query(box: Box) -> str:
    """The question for streets, buildings and stations in a box, in Overpass QL.

    Examples
    --------
    >>> print(street_query(Box(48.47, 7.81, 48.48, 7.83)))
    [out:json][timeout:90][bbox:48.47,7.81,48.48,7.83];
    (way["highway"];way["building"];nwr["power"~"^(transformer|substation)$"];);
    out geom;
    """
    sides = (box.south_degree, box.west_degree, box.north_degree, box.east_degree)
    area = ",".join(f"{side:.7f}".rstrip("0").rstrip(".") for side in sides)
    return (
        f"[out:json][timeout:{TIMEOUT_S}][bbox:{area}];\n"
        '(way["highway"];way["building"];nwr["power"~"^(transformer|substation)$"];);\n'
        "out geom;"
    )


def fetch_streets(url: str, box: Box, path: Path) -> Path:
    """Ask a server, and keep its answer as a file for ``read_streets``.

    Parameters
    ----------
    url : str
        Address of the interpreter of an Overpass server, http or https.
    box : Box
        The place.
    path : Path
        Where the answer is written.

    Raises
    ------
    StudyError
        If the server cannot be reached, refuses, breaks off, or answers with something else or a part
        only; if there is no folder for the file, or it cannot be written.
    """
    if not path.parent.is_dir():
        # Before the server is asked: its answer would be lost.
        raise StudyError([Problem(str(path), f"no folder {path.parent}", "a folder that is there")])
    content = _ask(url, box)
    _check(url, content)
    try:
        path.write_bytes(content)
    except OSError as error:
        found = f"no place for the answer ({error.strerror})"
        raise StudyError([Problem(str(path), found, "a file that can be written")]) from None
    return path


def _ask(url: str, box: Box) -> bytes:
    """What the server answers, whole."""
    body = urllib.parse.urlencode({"data": street_query(box)}).encode()
    headers = {"User-Agent": "gridcommons"}
    try:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("neither http nor https")
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
    except urllib.error.HTTPError as error:
        raise _refused(url, f"status {error.code} ({error.reason})") from None
    except http.client.InvalidURL as error:
        raise _no_address(url, error) from None
    except http.client.HTTPException as error:
        raise _refused(url, f"an answer that breaks off or is not HTTP ({error!r})") from None
    except OSError as error:
        raise _refused(url, f"no answer ({getattr(error, 'reason', None) or error})") from None
    except ValueError as error:
        raise _no_address(url, error) from None
    return content


def _check(url: str, content: bytes) -> None:
    """Refuse what is not an Overpass answer, or only a part of one."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("elements"), list):
        raise _refused(url, "an answer that is not Overpass JSON")
    if answer.get("remark"):
        # A server that runs out of time or memory says so here, and hands out what it has so far.
        raise _refused(url, f"an answer that may lack a part: {answer['remark']}")
    if not answer["elements"]:
        raise _refused(url, "an empty answer")


def _no_address(url: str, error: Exception) -> StudyError:
    found = f"no address of a server ({error})"
    return StudyError([Problem(url or "''", found, "an address with http or https")])


def _refused(url: str, found: str) -> StudyError:
    return StudyError(
        [Problem(url, found, "a whole Overpass answer with elements", "try later, or a smaller box")]
    )
