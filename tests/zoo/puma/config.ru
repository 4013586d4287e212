# Answers "ok", after a second where that is asked for.
run lambda { |env|
  sleep 1 if env['PATH_INFO'] == '/slow'
  [200, { 'content-type' => 'text/plain' }, ['ok']]
}
