"""Networks that read DNA."""
