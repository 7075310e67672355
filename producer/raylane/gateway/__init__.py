"""HTTP in front of `Producer`: `/v1`, and the endpoints of the original app. Needs the extra `[gateway]`."""
