package netguard

// SetLast lets a test see, and stop, each connect that the guard let through.
func (d *Dialer) SetLast(f func(address string) error) { d.last = f }

// BadPort is badPort.
func BadPort(port uint16) bool { return badPort(port) }
