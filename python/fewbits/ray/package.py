"""The package ray, which this module of the same name is for."""

from __future__ import annotations

try:
    import ray
    import ray.exceptions  # a folder named ray has none
except ImportError as error:
    raise ImportError("fewbits.ray needs the package ray: pip install 'fewbits[ray]'") from error

__all__ = ["ray"]
