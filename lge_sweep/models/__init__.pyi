from .exchange_formats import export as export
from .hardware import Hardware as Hardware
from .hardware import find_hardware as find_hardware
from .module import SegmentationModule as SegmentationModule
from .module import build_module as build_module
from .probabilities import Segmenter as Segmenter
from .weights import check_weights as check_weights
