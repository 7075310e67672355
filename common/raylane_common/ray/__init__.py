"""The Ray room: the only place that speaks HTTP to Ray. Import `raylane_common.ray.client` to use it.

Nothing is imported here, so that `raylane_common.ray.models` stays cheap.
"""
