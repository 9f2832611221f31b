"""What is compared. Each system has `name`, is opened on a ground (sites on a line, or loopback), and `transfer` measures one study."""
