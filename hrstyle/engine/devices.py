"""The device to compute on, and the dtype to compute in."""

import torch

from hrstyle.errors import InputError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def best_device() -> torch.device:
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def find_device(device: str | torch.device | None) -> torch.device:
    """The device of that name, tested by an allocation; None takes `best_device`.

    Raises:
        InputError: the device is unknown or cannot be used.
    """
    try:
        found = best_device() if device is None else torch.device(device)
        if found.type == "meta":
            raise InputError("device 'meta' holds no data; try cpu")
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}); try cpu"
        ) from error
    return found


def find_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The torch dtype of that name, such as `"float32"`.

    Raises:
        InputError: not one of `DTYPES`.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, not {name!r}")
    return DTYPES[name]
