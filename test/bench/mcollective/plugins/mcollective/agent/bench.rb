require 'open3'

module MCollective
  module Agent
    # MCollective's own way to run a program (`run`, Shell) fails on Ruby 3.1, so this goes by Ruby's own library.
    class Bench < RPC::Agent
      action 'run' do
        out, err, status = Open3.capture3(request[:command])
        reply[:out] = out
        reply[:err] = err
        reply[:exitcode] = status.exitstatus
      end
    end
  end
end
