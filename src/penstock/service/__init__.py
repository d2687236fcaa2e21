"""The nineteen operations, and what stands behind them: writer, dispatcher, timekeeper."""
