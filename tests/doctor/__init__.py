"""The doctor: what receivers demand, against set-ups that are good and set-ups with one mistake."""
