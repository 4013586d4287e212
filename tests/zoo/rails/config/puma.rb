threads 8, 8
port ENV.fetch('PORT', 3000)
pidfile ENV['PIDFILE'] if ENV['PIDFILE']
