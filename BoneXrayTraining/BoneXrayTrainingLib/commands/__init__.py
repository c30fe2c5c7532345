"""The commands of `bone-xray`: a dataclass each, its fields the arguments, `run()` the work.

Defaults of the work itself live in the stages' configurations (`DrrConfig`, `ExtractConfig`,
`SegmentConfig`, `SeparateConfig`, `TrainConfig`); a command adds where things are read from and
written to. Heavy packages are imported where they are needed: listing models must not wait for
torch.
"""

from __future__ import annotations

from .base import Command
from .evaluation import EvaluateSegment, EvaluateSeparate
from .exporting import Export
from .finding import EvaluateFeatures
from .generation import Generate, GenerateExport, GenerateReplay
from .imaging import Drr, LongLeg, RunExtract, RunSegment, Samples
from .labelling import LabelCt
from .measuring import MeasureJointSpace
from .models import ModelsList, ModelsShow, ModelsVerify
from .reader_study import ReaderStudyMake, ReaderStudyRead, ReaderStudyReport
from .reconstructing import EvaluateReconstruct, RunReconstruct
from .separating import RunSeparate
from .shaping import ShapeModelBuild, ShapeModelSample, ShapeModelShow
from .training import EvaluateExtract, Train, TrainBlsGan

COMMANDS: dict[str, type[Command]] = {
    "samples": Samples,
    "drr": Drr,
    "long-leg": LongLeg,
    "run extract": RunExtract,
    "run segment": RunSegment,
    "run separate": RunSeparate,
    "run reconstruct": RunReconstruct,
    "measure joint-space": MeasureJointSpace,
    "label": LabelCt,
    "shape-model build": ShapeModelBuild,
    "shape-model show": ShapeModelShow,
    "shape-model sample": ShapeModelSample,
    "generate": Generate,
    "generate export": GenerateExport,
    "generate replay": GenerateReplay,
    "train": Train,
    "train-bls-gan": TrainBlsGan,
    "export": Export,
    "evaluate extract": EvaluateExtract,
    "evaluate segment": EvaluateSegment,
    "evaluate separate": EvaluateSeparate,
    "evaluate features": EvaluateFeatures,
    "evaluate reconstruct": EvaluateReconstruct,
    "reader-study make": ReaderStudyMake,
    "reader-study read": ReaderStudyRead,
    "reader-study report": ReaderStudyReport,
    "models list": ModelsList,
    "models show": ModelsShow,
    "models verify": ModelsVerify,
}
