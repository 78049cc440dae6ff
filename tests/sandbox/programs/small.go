// small.go - the least of a Go program: its size is the runtime's.
package main

import "os"

func main() { os.Stdout.WriteString("hello\n") }
