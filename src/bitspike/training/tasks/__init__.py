"""What networks are trained for (`bitspike.training.tasks.task`): to classify, or to find boxes."""

from bitspike.training.config import TrainConfig
from bitspike.training.tasks.classify import Classify
from bitspike.training.tasks.detect import Detect, Detected
from bitspike.training.tasks.task import Images, Outputs, Part, Seen, Task, answers_of

__all__ = ["Classify", "Detect", "Detected", "Images", "Outputs", "Part", "Seen", "Task", "answers_of", "task_of"]


def task_of(config: TrainConfig) -> Task:
    """What the config's data set asks of a network.

    Raises:
        UserError: an unknown data set, or what of the config does not fit it.
    """
    return Detect(config) if config.task == "detect" else Classify(config)
