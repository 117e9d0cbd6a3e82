// Command tally runs a `go test -json` command, prints what a reader needs of
// it, and counts its tests.
//
//	tally -counts file -- go test -json ./...
//
// It prints one line for each package and the output of what failed, appends
// a line "passed failed skipped" to the file, and exits with the status of the
// command; a failed test or package makes that status non-zero in any case.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tally", flag.ContinueOnError)
	flags.SetOutput(stderr)
	counts := flags.String("counts", "", "append the counts to this file")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(stderr, "tally: no command given")
		return 2
	}
	t, status, err := count(exec.CommandContext(ctx, flags.Arg(0), flags.Args()[1:]...), stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "tally:", err)
		return 2
	}
	fmt.Fprintf(stdout, "%d passed, %d failed, %d skipped\n", t.Passed, t.Failed, t.Skipped)
	if *counts != "" {
		if err := appendLine(*counts, fmt.Sprintf("%d %d %d\n", t.Passed, t.Failed, t.Skipped)); err != nil {
			fmt.Fprintln(stderr, "tally:", err)
			return 2
		}
	}
	return status
}

// count runs the command. A status other than zero is no error.
func count(cmd *exec.Cmd, stdout, stderr io.Writer) (*tally, int, error) {
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	t := newTally(stdout)
	readErr := t.read(events)
	waitErr := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case readErr != nil:
		return nil, 0, readErr
	case waitErr == nil:
		return t, t.status(0), nil
	case errors.As(waitErr, &exit):
		return t, t.status(max(1, exit.ExitCode())), nil
	default:
		return nil, 0, waitErr
	}
}

func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}
