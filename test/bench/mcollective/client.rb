# A client that keeps its connection. Each line of standard input names instances, `a,b,c`: the command runs on all of
# them, and a line of standard output says how many have succeeded.
require 'mcollective'

include MCollective::RPC

configuration, command = ARGV
ARGV.clear
$stdout.sync = true

options = MCollective::Util.default_options
options[:config] = configuration
options[:disctimeout] = 2
options[:timeout] = 60
client = rpcclient('bench', :options => options)
client.progress = false
puts 'ready'

$stdin.each_line do |line|
  client.discover(:nodes => line.chomp.split(','))
  replies = client.run(:command => command)
  succeeded = replies.count { |one| one[:statuscode].zero? && one[:data][:exitcode].zero? }
  puts "succeeded #{succeeded}"
end
client.disconnect
