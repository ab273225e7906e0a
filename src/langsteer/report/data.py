"""What the report shows, as plain frozen records.

The page is a function of one `Report`. Rates and shares are fractions in [0, 1], layers are 0-based
decoder layers, languages are BCP-47 tags. Every sequence may be empty: its section then says so. A
number that was not measured is `None`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langsteer.evaluation.aggregate import Estimate, Rate
from langsteer.evaluation.metrics import Better
from langsteer.evaluation.summary import PairScores, Scores
from langsteer.evaluation.words import WordProbabilities
from langsteer.space.space import OperatingPoint
from langsteer.statistics.uncertainty import DeltaQuality


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model that was steered: `depth` layers of `width` numbers per token."""

    name: str
    model_type: str
    depth: int
    width: int
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class CorpusShown:
    """The texts that the space was estimated from: how many in each language, and their digest."""

    name: str
    texts: Mapping[str, int]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """One family under one condition, over all its prompts and ordered pairs."""

    name: str
    language_rate: Rate
    meaning: Rate | None = None
    both: Rate | None = None
    prompts: int = 0


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """One family of prompts: the steered condition and the controls beside it."""

    name: str
    description: str
    conditions: Sequence[ConditionResult]


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric under one condition, over all families; `better` says which way is good."""

    metric: str
    condition: str
    value: Estimate
    better: Better = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt and what the model wrote, unsteered and steered from `source` to `target`.

    `detected` is the language that the steered answer is in; None where that cannot be said.
    """

    family: str
    source: str
    target: str
    prompt: str
    expected: str
    unsteered: str
    steered: str
    right_language: bool
    right_meaning: bool | None = None
    detected: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer with its verdict.

    `prompt` is what the model was given, `expected` what a right answer holds ("" without a key),
    `detected` the language that came out (None: none was sure), and `failure` the name of the
    `FailureKind` that it belongs to ("" where nothing is wrong).
    """

    family: str
    condition: str
    source: str
    target: str
    prompt: str
    expected: str
    answer: str
    detected: str | None
    right_language: bool
    right_meaning: bool | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class LayerPoint:
    """The result of editing at one layer alone, on the split used for tuning."""

    layer: int
    language_rate: Rate
    meaning: Rate | None = None
    both: Rate | None = None


@dataclass(frozen=True, slots=True)
class GapPoint:
    """The share of the gap to the translated prompt that an edit closes at one layer alone."""

    layer: int
    recovered: float


@dataclass(frozen=True, slots=True)
class LanguagePoint:
    """A language in the plane of two principal components; `group` is its script, say."""

    language: str
    x: float
    y: float
    group: str = ""


@dataclass(frozen=True, slots=True)
class LanguageMap:
    """The language means of one layer, and the share of variance that each axis holds."""

    points: Sequence[LanguagePoint] = ()
    layer: int | None = None
    variance: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ShareOfVariance:
    """The mean shares of the variance of a coordinate at one layer; the three sum to one."""

    layer: int
    concept: float
    language: float
    rest: float


@dataclass(frozen=True, slots=True)
class LayerStrengthPoint:
    """One cell of the surface that tuning searched: score in [0, 1] at a layer and a strength.

    `prompts` is how many were asked there.
    """

    layer: int
    strength: float
    score: float
    prompts: int | None = None


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method in one setting of a comparison; `ours` marks the method of this package.

    `both` is None where there is no key to judge the meaning by; then the language rate is shown,
    which has to be there.
    """

    method: str
    setting: str
    both: Rate | None
    language_rate: Rate | None = None
    meaning: Rate | None = None
    seconds: float | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class ConfusionCount:
    """How many answers steered to `target` came out in `detected` (None: no language was sure)."""

    target: str
    detected: str | None
    count: int


@dataclass(frozen=True, slots=True)
class FailureKind:
    """One way of going wrong: how often (`count` of `total` answers) and what it looks like.

    A kind that does not occur is given with a count of 0: the page says that there is none.
    """

    name: str
    description: str
    count: int
    total: int
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Report:
    """Everything that the page shows.

    `summary` is what was done, in three sentences; `seconds` is the time taken by each stage, in
    the order in which the stages ran; `created` is a date for the reader; `costs` says in a
    sentence each what steering changes where it should change nothing.
    """

    title: str
    model: ModelFacts
    corpus: CorpusShown
    summary: Sequence[str] = ()
    operating_point: OperatingPoint | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    created: str = ""
    families: Sequence[FamilyResult] = ()
    metrics: Sequence[MetricResult] = ()
    costs: Sequence[str] = ()
    examples: Sequence[Example] = ()
    layers: Sequence[LayerPoint] = ()
    gaps: Sequence[GapPoint] = ()
    pairs: Sequence[PairScores] = ()
    targets: Mapping[str, Scores] = field(default_factory=dict)
    language_map: LanguageMap = field(default_factory=LanguageMap)
    shares: Sequence[ShareOfVariance] = ()
    word_probability: Sequence[WordProbabilities] = ()
    uncertainty: Sequence[DeltaQuality] = ()
    surface: Sequence[LayerStrengthPoint] = ()
    methods: Sequence[MethodResult] = ()
    estimators: Sequence[MethodResult] = ()
    confusion: Sequence[ConfusionCount] = ()
    failures: Sequence[FailureKind] = ()
    answers: Sequence[JudgedAnswer] = ()
