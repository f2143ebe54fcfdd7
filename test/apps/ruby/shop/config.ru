# A shop on Sinatra, for puma: `price` takes most of a request.

require 'sinatra/base'

class Shop < Sinatra::Base
  set :environment, :production

  def price(rounds)
    index = 0
    index += 1 while index < rounds
    index
  end

  get('/*') { price(500_000).to_s }
end

run Shop
