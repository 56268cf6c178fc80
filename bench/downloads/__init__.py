"""Public data sets: what is known of them, bringing their files here, and unpacking them safely."""
