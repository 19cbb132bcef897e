"""Training: a typed config, a loop that resumes exactly, and what a run leaves behind."""

from bitspike.training.config import BudgetConfig, DetectionConfig, LossConfig, OptimizerConfig, TrainConfig
from bitspike.training.evaluate import Accuracy, evaluate
from bitspike.training.loop import Observer, train
from bitspike.training.methods import METHODS, Method, MethodSettings, Objective
from bitspike.training.overrides import edits_of, override
from bitspike.training.run_folder import RunFolder

__all__ = [
    "METHODS",
    "Accuracy",
    "BudgetConfig",
    "DetectionConfig",
    "LossConfig",
    "Method",
    "MethodSettings",
    "Objective",
    "Observer",
    "OptimizerConfig",
    "RunFolder",
    "TrainConfig",
    "edits_of",
    "evaluate",
    "override",
    "train",
]
