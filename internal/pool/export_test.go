package pool

// Armed reports whether the timer is set or its scan is running.
func (p *Pool) Armed() bool { return p.armed.Load() }
