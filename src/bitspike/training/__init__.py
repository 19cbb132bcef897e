"""Training: a typed config, a loop that resumes exactly, and what a run leaves behind."""

from bitspike.training.config import AdaptiveConfig, BudgetConfig, LossConfig, OptimizerConfig, TrainConfig
from bitspike.training.evaluate import Accuracy, evaluate
from bitspike.training.loop import Objective, Observer, train
from bitspike.training.overrides import override
from bitspike.training.run_folder import RunFolder

__all__ = [
    "Accuracy",
    "AdaptiveConfig",
    "BudgetConfig",
    "LossConfig",
    "Objective",
    "Observer",
    "OptimizerConfig",
    "RunFolder",
    "TrainConfig",
    "evaluate",
    "override",
    "train",
]
