"""The public names: all that a plugin may import, with `translate.testing`."""

from .contracts import (
    CONTRACT as CONTRACT,
    IGNORE as IGNORE,
    MISSING as MISSING,
    SIDES as SIDES,
    Artifact as Artifact,
    Build as Build,
    Class as Class,
    Config as Config,
    Configured as Configured,
    DatasetFacts as DatasetFacts,
    DataSpec as DataSpec,
    DeviceTransform as DeviceTransform,
    DeviceTransformUse as DeviceTransformUse,
    Direction as Direction,
    DirectionCall as DirectionCall,
    Draw as Draw,
    EvaluationContext as EvaluationContext,
    Frames as Frames,
    Image as Image,
    ImagesFacts as ImagesFacts,
    Labels as Labels,
    LossUse as LossUse,
    Method as Method,
    Metric as Metric,
    MetricUse as MetricUse,
    ModelFacts as ModelFacts,
    Need as Need,
    Nets as Nets,
    NetworkUse as NetworkUse,
    NoOptions as NoOptions,
    Optimizer as Optimizer,
    OptimizerConfig as OptimizerConfig,
    OptimizerUse as OptimizerUse,
    Problem as Problem,
    Record as Record,
    Schedule as Schedule,
    ScheduleConfig as ScheduleConfig,
    ScheduleUse as ScheduleUse,
    ScoresFacts as ScoresFacts,
    Side as Side,
    Sides as Sides,
    Source as Source,
    SourceFacts as SourceFacts,
    SourceUse as SourceUse,
    Stage as Stage,
    StageContext as StageContext,
    Step as Step,
    TestTime as TestTime,
    Tracker as Tracker,
    Transform as Transform,
    TransformUse as TransformUse,
    Update as Update,
    Use as Use,
    Vector as Vector,
)
from .data.masks import (
    load_masks as load_masks,
)
from .errors import (
    ConfigError as ConfigError,
    ContractError as ContractError,
    DataError as DataError,
    PluginError as PluginError,
    StageError as StageError,
    TranslateError as TranslateError,
)
from .imaging.grid import (
    sheet as sheet,
)
from .imaging.guarded import (
    pages as pages,
)
from .imaging.image import (
    DecodedImage as DecodedImage,
)
from .imaging.image_format import (
    ImageFormat as ImageFormat,
)
from .inference.translator import (
    Translator as Translator,
)
from .markers import (
    hookimpl as hookimpl,
)
from .metrics import (
    Classifier as Classifier,
    decibel as decibel,
    mean_score as mean_score,
    paired_images as paired_images,
    train_classifier as train_classifier,
)
from .models.exporter import (
    Exported as Exported,
    Exporter as Exporter,
)
from .models.load import (
    load as load,
)
from .models.onnx.feed import (
    onnx_noise as onnx_noise,
)
from .networks import (
    Guess as Guess,
    Layout as Layout,
    Network as Network,
    NetworkConfig as NetworkConfig,
    Upsample as Upsample,
    batched as batched,
    bicubic as bicubic,
    doubling as doubling,
    feature_distance as feature_distance,
    features_of as features_of,
    norm_layers as norm_layers,
    shuffling as shuffling,
    stack as stack,
    to_lab as to_lab,
    to_rgb as to_rgb,
)
from .objectives import (
    AdversarialLoss as AdversarialLoss,
    ImagePool as ImagePool,
    LossTerm as LossTerm,
    MedianFrequency as MedianFrequency,
    Objective as Objective,
    ObjectiveConfig as ObjectiveConfig,
    cross_entropy as cross_entropy,
    dice_loss as dice_loss,
    one_hot as one_hot,
)
from .pipeline import (
    run as run,
)
from .scripting.training import (
    train as train,
)
from .seeding import (
    derive as derive,
)
from .version import __version__ as __version__
