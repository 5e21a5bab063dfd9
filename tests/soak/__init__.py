"""The soak's laws hold in a short share of it, and it finds planted bugs."""
