"""One module a service: from a request to an answer. What is true is in `state`."""
