"""A segmenter's folder without a training: two networks of a few nodes that call what is bright cavity."""

from pathlib import Path

import onnx

from lge_sweep.config.data import Intensity
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.hashing import file_digest


def write_segmenter(folder: Path) -> Path:
    """Write the folder, whatever its name."""
    folder.mkdir(parents=True)
    for stage, more in ((1, ""), (2, ", none")):
        graph = f"""<ir_version: 8, opset_import: ["" : 17]>
        g (uint8[b,3,64,64] image) => (float[b,{stage + 1},64,64] p)
        <int64[1] s2 = {{2}}, int64[1] s3 = {{3}}, int64[1] ax = {{1}},
         float half = {{128}}, float zero = {{0}}, float one = {{1}}>
        {{ f = Cast <to: int = 1> (image)
           x = Slice (f, s2, s3, ax)
           found = Greater (x, half)
           bright = Cast <to: int = 1> (found)
           none = Mul (bright, zero)
           dark = Sub (one, bright)
           p = Concat <axis: int = 1> (dark, bright{more}) }}"""
        (folder / f"stage{stage}.onnx").write_bytes(onnx.parser.parse_model(graph).SerializeToString())
    settings = SegmenterSettings(
        size=64,
        intensity=Intensity(clip_percentiles=(0, 100)),
        facts={"data": "=d\x1b[31m"},
        files={path.name: file_digest(path) for path in folder.iterdir()},
    )
    (folder / "settings.json").write_text(settings.model_dump_json())
    return folder
