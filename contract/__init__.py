"""What every service agrees on: messages, codec, stream, telemetry, service loop. No science."""
