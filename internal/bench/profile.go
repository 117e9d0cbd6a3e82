package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
)

// profile writes what one run of one arm does between start and stop of its
// meter: dir/name.cpu, and dir/name.allocs with dir/name.allocs.base, which is
// how it stood at the start. What a later meter of the same run writes replaces
// what an earlier one wrote: that was the warm-up.
type profile struct {
	dir, name string
	cpu       *os.File
}

type profileKey struct{}

// withProfile lets the meters of ctx write profiles.
func withProfile(ctx context.Context, dir, scenario, arm string) context.Context {
	name := regexp.MustCompile(`[^a-zA-Z0-9=.-]+`).ReplaceAllString(scenario+"_"+arm, "_")
	return context.WithValue(ctx, profileKey{}, &profile{dir: dir, name: name})
}

func profileOf(ctx context.Context) *profile {
	p, _ := ctx.Value(profileKey{}).(*profile)
	return p
}

func (p *profile) file(kind string) string { return filepath.Join(p.dir, p.name+"."+kind) }

func (p *profile) allocs(kind string) error {
	runtime.GC() // the profile is that of the last cycle that ended
	f, err := os.Create(p.file(kind))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

func (p *profile) start() (err error) {
	if p == nil {
		return nil
	}
	if err := p.allocs("allocs.base"); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	if p.cpu, err = os.Create(p.file("cpu")); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return pprof.StartCPUProfile(p.cpu)
}

func (p *profile) stop() error {
	if p == nil {
		return nil
	}
	pprof.StopCPUProfile()
	return errors.Join(p.cpu.Close(), p.allocs("allocs"))
}
