"""What is kept: the protocol, its SQL, the migrations, and the adapters."""
