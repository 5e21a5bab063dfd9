"""What a person may do to Azure and the Function never does. Only this folder imports an SDK."""
