"""The optimizers by name: ``module:function`` of (parameters, training options) -> optimizer. Loads no torch.

To add one, write a function that builds it in `lge_sweep/models/optimizers.py`, and an entry here.
"""

OPTIMIZERS: dict[str, str] = {
    "adam": "lge_sweep.models.optimizers:adam",
    "sgdm": "lge_sweep.models.optimizers:sgdm",
}
