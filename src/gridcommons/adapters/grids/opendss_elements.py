"""The elements of an OpenDSS circuit: what the commands of a script make of them, property by property.

Source: Electric Power Research Institute, "OpenDSS Reference Guide": classes, the order of their properties
(a value without a name is the property after the last one) and the abbreviation of names (the first property
that begins so). What a script does and this does not know is refused by file and line, unless it has no part
in the electrical answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gridcommons.adapters.grids.opendss_text import (
    Command,
    Parameter,
    file_in,
    read_text_file,
    split_parameters,
)
from gridcommons.adapters.problems import Place, ProblemList, listed
from gridcommons.model.errors import did_you_mean

_ALL = "basefreq enabled like"
_RELIABILITY = "normamps emergamps faultrate pctperm repair"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PROPERTIES: dict[str, tuple[str, ...]] = {
    "vsource": _words(
        "bus1 basekv pu angle frequency phases mvasc3 mvasc1 x1r1 x0r0 isc3 isc1 r1 x1 r0 x0 scantype "
        f"sequence bus2 z1 z0 z2 puz1 puz0 puz2 basemva yearly daily duty model puzideal spectrum {_ALL}"
    ),
    "line": _words(
        "bus1 bus2 linecode length phases r1 x1 r0 x0 c1 c0 rmatrix xmatrix cmatrix switch rg xg rho "
        "geometry units spacing wires earthmodel cncables tscables b1 b0 seasons ratings linetype "
        f"{_RELIABILITY} {_ALL}"
    ),
    "linecode": _words(
        f"nphases r1 x1 r0 x0 c1 c0 units rmatrix xmatrix cmatrix basefreq {_RELIABILITY} kron rg xg rho "
        "neutral b1 b0 seasons ratings linetype like"
    ),
    "transformer": _words(
        "phases windings wdg bus conn kv kva tap %r rneut xneut buses conns kvs kvas taps xhl xht xlt "
        "xscarray thermal n m flrise hsrise %loadloss %noloadloss normhkva emerghkva sub maxtap mintap "
        "numtaps subname %imag ppm_antifloat %rs bank xfmrcode xrconst x12 x13 x23 leadlag wdgcurrents core "
        f"rdcohms seasons ratings {_RELIABILITY} {_ALL}"
    ),
    "load": _words(
        "phases bus1 kv kw pf model yearly daily duty growth conn kvar rneut xneut status class vminpu "
        "vmaxpu vminnorm vminemerg xfkva allocationfactor kva %mean %stddev cvrwatts cvrvars kwh kwhdays "
        f"cfactor cvrcurve numcust zipv %seriesrl relweight vlowpu puxharm xrharm spectrum {_ALL}"
    ),
    "capacitor": _words(
        f"bus1 bus2 phases kvar kv conn cmatrix cuf r xl harm numsteps states {_RELIABILITY} {_ALL}"
    ),
    "loadshape": _words(
        "npts interval mult hour mean stddev csvfile sngfile dblfile action qmult useactual pmax qmax "
        "sinterval minterval pbase qbase pmult pqcsvfile memorymapping interpolation like"
    ),
}
"""Properties of each class that is read, in their order."""

CONTROLS = {"regcontrol": "taps", "capcontrol": "capacitors"}
"""Classes that would move something in time, and what."""
_SKIPPED_CLASSES = _words(
    "monitor energymeter sensor spectrum tcc_curve xycurve growthshape priceshape tshape wiredata "
    "linespacing linegeometry cndata tsdata xfmrcode fuse relay recloser"
)
"""Classes that draw, carry and limit nothing; an element that is built on one of them is refused."""
_SKIPPED_VERBS = _words(
    "show plot export calcvoltagebases makebuslist sample reset help closedi fileedit formedit "
    "visualize save summary dump ? get panel about getdata comparecases yearlycurves di_plot addbusmarker "
    "clearbusmarkers uuids cvrtloadshapes"
)
_SKIPPED_OPTIONS = _words(
    "mode number stepsize h hour sec time maxcontroliter controlmode maxiter maxiterations tolerance "
    "casename overloadreport voltexcept voltexceptionreport demand demandinterval diverbose datapath editor "
    "terminal markswitches marktransformers markcapacitors markregulators nodewidth markercode "
    "switchmarkercode transmarkersize trapezoidal showexport recorder trace algorithm normvminpu normvmaxpu "
    "emergvminpu emergvmaxpu"
)
_ONLY = {
    "loadmult": (1.0, "1: loads are as they are given"),
    "genmult": (1.0, "1: loads are as they are given"),
    "year": (0.0, "0: loads do not grow"),
}
"""Options that would change every load, with the value that changes none."""
_NOT_LIKE = ("bus1", "bus2", "bus", "buses", "enabled", "ppm_antifloat", "%imag", "leadlag")
"""Properties that OpenDSS does not take over from the element that another is like."""
_NEVER_LIKE = ("line", "linecode")
"""Classes of which OpenDSS takes over neither units nor every matrix, so that values change their meaning."""
DEFAULT_FREQUENCY_HZ = 60.0


@dataclass
class Element:
    """An element as its script describes it: its properties in the order in which they were set."""

    kind: str
    name: str
    place: Place
    problems: ProblemList
    frequency_hz: float
    settings: list[Parameter] = field(default_factory=list)

    def last(self, name: str) -> Parameter | None:
        """The value that a property has in the end, None where it was never set."""
        return next((setting for setting in reversed(self.settings) if setting.name == name), None)

    def number(self, name: str, otherwise: float) -> float:
        """A property as a number."""
        setting = self.last(name)
        return otherwise if setting is None else setting.number(self.problems)

    def count(self, name: str, otherwise: int) -> int:
        """A property as a whole number from 1 up."""
        setting = self.last(name)
        return otherwise if setting is None else setting.count(self.problems)

    def text(self, name: str, otherwise: str = "") -> str:
        """A property as a word in lower case."""
        setting = self.last(name)
        return otherwise if setting is None else setting.text.strip().lower()

    @property
    def is_enabled(self) -> bool:
        """Whether it takes part."""
        setting = self.last("enabled")
        return setting is None or setting.flag(self.problems)

    def refuse(self, found: str, expected: str, suggestion: str = "") -> None:
        """Note what is wrong with the element as a whole."""
        self.problems.add(self.place, f"{self.kind} {self.name!r} {found}", expected, suggestion)

    def refuse_others(self, known: str) -> None:
        """Note every property that was set and is not among the ``known``, which change the answer."""
        for setting in self.settings:
            if setting.name not in known.split():
                setting.refuse(self.problems, f"a {self.kind} without it: it is not modelled")


@dataclass(frozen=True)
class Opening:
    """A line of a script that opens (or closes) one end of an element; conductor -1 means all."""

    element: Element
    terminal: int
    conductor: int
    closed: bool


@dataclass
class Circuit:
    """What a script has made in the end.

    Parameters
    ----------
    elements : dict
        Elements by class and name in lower case.
    openings : list of Opening
        Ends opened and closed, in order.
    coordinates : dict of str to (x, y)
        Place of each bus in the file's coordinates, by name in lower case.
    voltage_bases_kv : list of float
        Nominal voltages, line to line [kV]; empty where the script sets none.
    frequency_hz : float
        Frequency of the circuit [Hz].
    skipped : Counter
        Elements without part in the answer, by class.
    """

    problems: ProblemList
    elements: dict[tuple[str, str], Element] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)
    coordinates: dict[str, tuple[float, float]] = field(default_factory=dict)
    voltage_bases_kv: list[float] = field(default_factory=list)
    frequency_hz: float = DEFAULT_FREQUENCY_HZ
    skipped: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str) -> list[Element]:
        """Elements of a class, in the order of the script."""
        return [element for (its_kind, _), element in self.elements.items() if its_kind == kind]

    def find(self, kind: str, name: str) -> Element | None:
        """The element of a class and name, None where there is none."""
        return self.elements.get((kind, name.lower()))


def make_circuit(commands: list[Command], problems: ProblemList) -> Circuit:
    """The circuit that the commands describe; whatever is wrong goes to ``problems``."""
    assembly = _Assembly(problems)
    for command in commands:
        assembly.obey(command)
    return assembly.circuit


@dataclass
class _Assembly:
    problems: ProblemList
    frequency_hz: float = DEFAULT_FREQUENCY_HZ
    active: Element | None = None

    def __post_init__(self) -> None:
        self.circuit = Circuit(self.problems)

    def obey(self, command: Command) -> None:
        act = {
            "new": self._new,
            "edit": self._edit,
            "more": self._more,
            "batchedit": self._batch_edit,
            "set": self._set,
            "solve": self._set,
            "clear": self._clear,
            "clearall": self._clear,
            "open": self._move,
            "close": self._move,
            "enable": self._enable,
            "disable": self._enable,
            "buscoords": self._coordinates,
        }.get(command.verb)
        if act is not None:
            act(command)
        elif command.verb not in _SKIPPED_VERBS:
            meant = did_you_mean(command.verb, ["new", "edit", "redirect", "batchedit", "open"])
            self.problems.add(
                command.place, f"the command {command.verb!r}", "a command that is known", meant
            )

    def _clear(self, _command: Command) -> None:
        self.circuit, self.active = Circuit(self.problems), None

    def _new(self, command: Command) -> None:
        kind, name = _target(command, self.problems)
        if kind == "circuit":
            kind, name = "vsource", "source"
            self.circuit.frequency_hz = self.frequency_hz
        self.active = None
        if kind in _SKIPPED_CLASSES or kind in CONTROLS:
            self.circuit.skipped[kind] += 1
            return
        if kind not in PROPERTIES:
            self._refuse_class(kind, name, command)
            return
        if self.circuit.find(kind, name):
            self.problems.add(command.place, f"{kind} {name!r} again", "each element once", "use edit")
            return
        self.active = Element(kind, name, command.place, self.problems, self.frequency_hz)
        self.circuit.elements[kind, name.lower()] = self.active
        self._apply(self.active, command.parameters[1:])

    def _refuse_class(self, kind: str, name: str, command: Command) -> None:
        disabled = [each for each in command.parameters if each.name == "enabled"]
        if disabled and not disabled[-1].flag(self.problems):
            self.circuit.skipped[kind] += 1
        elif kind:
            found = f"the {kind} {name!r}"
            meant = did_you_mean(kind, PROPERTIES)
            self.problems.add(
                command.place, found, f"an element that is modelled: {listed(PROPERTIES)}", meant
            )

    def _edit(self, command: Command) -> None:
        kind, name = _target(command, self.problems)
        self.active = self.circuit.find(kind, name)
        if self.active:
            self._apply(self.active, command.parameters[1:])
        elif kind not in _SKIPPED_CLASSES and kind not in CONTROLS:
            names = [element.name for element in self.circuit.of(kind)]
            meant = did_you_mean(name, names)
            self.problems.add(command.place, f"no {kind} {name!r}", "an element made before", meant)

    def _more(self, command: Command) -> None:
        if self.active:
            self._apply(self.active, command.parameters)

    def _batch_edit(self, command: Command) -> None:
        kind, pattern = _target(command, self.problems)
        try:
            fits = re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            self.problems.add(command.place, repr(pattern), f"a pattern of names ({error})")
            return
        for element in self.circuit.of(kind):
            if fits.search(element.name):
                self._apply(element, command.parameters[1:])

    def _enable(self, command: Command) -> None:
        self._edit(Command("edit", command.parameters[:1], command.place))
        if self.active:
            word = "yes" if command.verb == "enable" else "no"
            self.active.settings.append(Parameter("enabled", word, False, command.place))

    def _move(self, command: Command) -> None:
        self._edit(Command("edit", command.parameters[:1], command.place))
        words = ("object", "terminal", "cond")
        given = dict(_named(command.parameters, words))
        terminal = given["terminal"].count(self.problems) if "terminal" in given else 1
        conductor = int(given["cond"].number(self.problems) or 0) if "cond" in given else 0
        if self.active:
            self.circuit.openings.append(
                Opening(self.active, terminal, conductor - 1, command.verb == "close")
            )

    def _set(self, command: Command) -> None:
        for option in command.parameters:
            if option.name in ("defaultbasefrequency", "frequency"):
                self._set_frequency(option)
            elif option.name == "voltagebases":
                self.circuit.voltage_bases_kv = [float(kv) for kv in option.numbers(self.problems)]
            elif option.name in _ONLY:
                value, why = _ONLY[option.name]
                if option.number(self.problems) != value:
                    option.refuse(self.problems, why)
            elif option.name not in _SKIPPED_OPTIONS:
                option.refuse(self.problems, "an option that is known")

    def _set_frequency(self, option: Parameter) -> None:
        value = option.number(self.problems)
        if option.name == "defaultbasefrequency":
            self.frequency_hz = value
        elif value != self.circuit.frequency_hz:
            option.refuse(self.problems, f"the {self.circuit.frequency_hz:g} Hz of the circuit")

    def _coordinates(self, command: Command) -> None:
        for name in command.parameters[:1]:
            path = file_in(name.folder, name.text)
            text = read_text_file(path, name.place, self.problems)
            for row, line in enumerate(text.splitlines(), 1):
                place = Place(path.name, row=row)
                words = split_parameters(line.split("!")[0].replace(";", ","), place, self.problems)
                if words:
                    self._coordinate(words, place)

    def _coordinate(self, words: list[Parameter], place: Place) -> None:
        if len(words) < 3:
            self.problems.add(place, " ".join(word.text for word in words), "a bus, x and y")
            return
        x, y = (word.number(self.problems) for word in words[1:3])
        self.circuit.coordinates[words[0].text.lower()] = (x, y)

    def _apply(self, element: Element, parameters: tuple[Parameter, ...]) -> None:
        for name, parameter in _named(parameters, PROPERTIES[element.kind]):
            if not name:
                meant = did_you_mean(parameter.name, PROPERTIES[element.kind])
                parameter.refuse(self.problems, f"a property of a {element.kind}", meant)
            elif name == "like":
                self._take_over(element, parameter)
            else:
                element.settings.append(replace(parameter, name=name))

    def _take_over(self, element: Element, like: Parameter) -> None:
        other = self.circuit.find(element.kind, like.text)
        if element.kind in _NEVER_LIKE:
            meant = "write its properties: OpenDSS loses units and matrices on the way"
            like.refuse(self.problems, f"a {element.kind} that is like no other", meant)
        elif other is None:
            like.refuse(self.problems, f"a {element.kind} made before")
        else:
            element.settings += [each for each in other.settings if each.name not in _NOT_LIKE]
            if element.kind == "transformer":
                element.settings.append(replace(like, name="wdg", text="1"))
            element.frequency_hz = other.frequency_hz


def _target(command: Command, problems: ProblemList) -> tuple[str, str]:
    """Class in lower case, and name, of the object of a command."""
    first = command.parameters[0] if command.parameters else None
    if first is None or first.name not in ("", "object") or "." not in first.text:
        problems.add(command.place, f"{command.verb} {first.text if first else ''}".strip(), "class.name")
        return "", ""
    kind, _, name = first.text.partition(".")
    return kind.lower(), name


def _named(parameters: tuple[Parameter, ...], order: tuple[str, ...]) -> Iterator[tuple[str, Parameter]]:
    """Each value with its property: by name, by the beginning of a name, or the one after the last."""
    at = -1
    for parameter in parameters:
        if not parameter.name:
            at += 1
        elif parameter.name in order:
            at = order.index(parameter.name)
        else:
            at = next((i for i, name in enumerate(order) if name.startswith(parameter.name)), len(order))
        yield order[at] if at < len(order) else "", parameter
