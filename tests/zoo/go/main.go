// Answers "ok", after a second where that is asked for.
package main

import (
	"net/http"
	"time"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(time.Second)
		}
		w.Write([]byte("ok"))
	})
	http.ListenAndServe(":8080", nil)
}
