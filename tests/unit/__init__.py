"""Pure code, and steps on in-memory fakes of their ports: all of it within 20 seconds."""
