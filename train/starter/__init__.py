"""Training and exporting the starter encoder's head and towers."""
