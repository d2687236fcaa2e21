"""AWS JSON 1.1 and Signature Version 4: the ASGI application, and the client half for runners."""
