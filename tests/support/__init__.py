"""What tests share: time that passes at once, and builders of the model's nouns."""
