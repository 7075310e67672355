"""Who a caller of the gateway is, what the caller may do, and how often."""
